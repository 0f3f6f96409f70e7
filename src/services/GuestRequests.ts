/**
 * What a tenant may ask of the inside of an instance: its databases, its users, its root. Asked of the guest
 * over the fabric, and only while the database serves; nothing of it is kept here but whether root was enabled.
 */
import { Clock, Context, Effect, Layer, Option, type Redacted, Schema } from "effect"
import { Catalog, type DatastoreManagerName, findVersion } from "./Catalog.ts"
import { Fabric, type FabricError } from "./Fabric.ts"
import {
  type Database,
  GuestApi,
  type GuestRefusal,
  guestTopic,
  type NewUser,
  type RootUser,
  type User
} from "./GuestApi.ts"
import { InvalidRequest } from "./InstanceRequests.ts"
import { type InstanceRecord, Instances } from "./Instances.ts"
import { refuseDatabaseName, refuseDatabases, refuseUserName, refuseUsers } from "./NameRules.ts"
import { isServing, operatingStatusOf } from "./Status.ts"

/** The instance cannot be asked now; `status` is what its guest last reported, null when it has none yet. */
export class InstanceNotReady extends Schema.TaggedError<InstanceNotReady>()("InstanceNotReady", {
  id: Schema.String,
  status: Schema.NullOr(Schema.String)
}) {}

export class DatabaseNotFound extends Schema.TaggedError<DatabaseNotFound>()("DatabaseNotFound", {
  name: Schema.String
}) {}

export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", {
  name: Schema.String,
  host: Schema.String
}) {}

export class RootNeverEnabled extends Schema.TaggedError<RootNeverEnabled>()("RootNeverEnabled", {}) {}

/** A user by name and host; `%` is any host. */
export interface UserName {
  readonly name: string
  readonly host: string
}

interface PageOf {
  readonly limit: number
  readonly marker: string | null
}
export type Listed<A> = readonly [ReadonlyArray<A>, string | null]

/** It is not ready, or its guest refused, or could not be reached. */
type Failed = InstanceNotReady | GuestRefusal | FabricError

/** How long a look at one instance waits for its guest to measure the volume. */
const volumeUsageTimeout = "2 seconds"

export class GuestRequests extends Context.Service<
  GuestRequests,
  {
    readonly databases: (instance: InstanceRecord, page: PageOf) => Effect.Effect<Listed<Database>, Failed>
    readonly createDatabases: (
      instance: InstanceRecord,
      databases: ReadonlyArray<Database>
    ) => Effect.Effect<void, Failed | InvalidRequest>
    readonly deleteDatabase: (
      instance: InstanceRecord,
      name: string
    ) => Effect.Effect<void, Failed | InvalidRequest | DatabaseNotFound>
    readonly users: (instance: InstanceRecord, page: PageOf) => Effect.Effect<Listed<User>, Failed>
    readonly user: (
      instance: InstanceRecord,
      user: UserName
    ) => Effect.Effect<User, Failed | InvalidRequest | UserNotFound>
    readonly createUsers: (
      instance: InstanceRecord,
      users: ReadonlyArray<NewUser>
    ) => Effect.Effect<void, Failed | InvalidRequest>
    readonly deleteUser: (
      instance: InstanceRecord,
      user: UserName
    ) => Effect.Effect<void, Failed | InvalidRequest | UserNotFound>
    readonly rootEnabled: (instance: InstanceRecord) => Effect.Effect<boolean, InstanceNotReady>
    /** A null password: the guest makes one. */
    readonly enableRoot: (
      instance: InstanceRecord,
      password: Redacted.Redacted | null,
      by: string
    ) => Effect.Effect<RootUser, Failed>
    readonly disableRoot: (instance: InstanceRecord, by: string) => Effect.Effect<void, Failed | RootNeverEnabled>
    /** In GB; none when the instance cannot be asked now. Never fails: it only decorates an answer. */
    readonly volumeUsage: (
      instance: InstanceRecord
    ) => Effect.Effect<Option.Option<{ readonly used: number; readonly total: number }>>
  }
>()("coffer/services/GuestRequests") {
  static readonly layer = Layer.effect(
    GuestRequests,
    Effect.gen(function* () {
      const instances = yield* Instances
      const catalog = yield* Catalog
      const fabric = yield* Fabric

      const managerOf = ({ desired }: InstanceRecord): DatastoreManagerName | undefined =>
        findVersion(catalog, desired.datastoreVersion)?.version.manager

      /** The guest, if the database behind it serves. */
      const guestOf = Effect.fnUntraced(function* ({ desired, state, observed }: InstanceRecord) {
        const { id } = desired
        if (state !== "Active") return yield* new InstanceNotReady({ id, status: null })
        if (!isServing(observed)) return yield* new InstanceNotReady({ id, status: observed?.status ?? null })
        return fabric.client(guestTopic(id), GuestApi)
      })

      const refuse = (
        instance: InstanceRecord,
        check: (manager: DatastoreManagerName) => string | null
      ): Effect.Effect<void, InvalidRequest> => {
        const manager = managerOf(instance)
        const message = manager === undefined ? null : check(manager)
        return message === null ? Effect.void : Effect.fail(new InvalidRequest({ message }))
      }

      const databases = Effect.fnUntraced(function* (instance: InstanceRecord, page: PageOf) {
        const guest = yield* guestOf(instance)
        return yield* guest.list_databases({ ...page, include_marker: false })
      })

      /** Lists are in the order of names, so the page that begins at `name` tells whether it is there. */
      const hasDatabase = Effect.fnUntraced(function* (instance: InstanceRecord, name: string) {
        const guest = yield* guestOf(instance)
        const [found] = yield* guest.list_databases({ limit: 1, marker: name, include_marker: true })
        return found[0]?.name === name
      })

      const createDatabases = Effect.fn("GuestRequests.createDatabases")(function* (
        instance: InstanceRecord,
        wanted: ReadonlyArray<Database>
      ) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseDatabases(manager, wanted))
        for (const { name } of wanted)
          if (yield* hasDatabase(instance, name))
            return yield* new InvalidRequest({ message: `A database with the name "${name}" already exists.` })
        if (wanted.length > 0) yield* guest.create_database({ databases: wanted })
      })

      const deleteDatabase = Effect.fn("GuestRequests.deleteDatabase")(function* (
        instance: InstanceRecord,
        name: string
      ) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseDatabaseName(manager, name))
        if (!(yield* hasDatabase(instance, name))) return yield* new DatabaseNotFound({ name })
        yield* guest.delete_database({ database: { name } })
      })

      const users = Effect.fnUntraced(function* (instance: InstanceRecord, page: PageOf) {
        const guest = yield* guestOf(instance)
        return yield* guest.list_users({ ...page, include_marker: false })
      })

      const user = Effect.fnUntraced(function* (instance: InstanceRecord, { name, host }: UserName) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseUserName(manager, name))
        const found = yield* guest.get_user({ username: name, hostname: host })
        return found ?? (yield* new UserNotFound({ name, host }))
      })

      const createUsers = Effect.fn("GuestRequests.createUsers")(function* (
        instance: InstanceRecord,
        wanted: ReadonlyArray<NewUser>
      ) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseUsers(manager, wanted))
        for (const { name, host } of wanted)
          if ((yield* guest.get_user({ username: name, hostname: host ?? "%" })) !== null)
            return yield* new InvalidRequest({ message: `A user with the name "${name}" already exists.` })
        if (wanted.length > 0) yield* guest.create_user({ users: wanted })
      })

      const deleteUser = Effect.fn("GuestRequests.deleteUser")(function* (instance: InstanceRecord, wanted: UserName) {
        const guest = yield* guestOf(instance)
        yield* user(instance, wanted)
        yield* guest.delete_user({ user: wanted })
      })

      const rootEnabled = Effect.fnUntraced(function* (instance: InstanceRecord) {
        yield* guestOf(instance)
        return (yield* instances.rootEnabled(instance.desired.id)) === "enabled"
      })

      const enableRoot = Effect.fn("GuestRequests.enableRoot")(function* (
        instance: InstanceRecord,
        password: Redacted.Redacted | null,
        by: string
      ) {
        const guest = yield* guestOf(instance)
        const { id } = instance.desired
        const before = yield* instances.rootEnabled(id)
        // On record first: whatever ends this in the middle, no root is enabled that is not told and not to be disabled.
        yield* instances.setRootEnabled(id, true, by)
        const asked =
          password === null ? guest.enable_root({}) : guest.enable_root_with_password({ root_password: password })
        // A refusal may come of a database that fell silent halfway: it is off the record once the guest says it is off.
        const takeBack = guest
          .disable_root({})
          .pipe(Effect.andThen(instances.setRootEnabled(id, false, by)), Effect.ignore)
        return yield* Effect.tapErrorTag(asked, "GuestRefusal", () => (before === "enabled" ? Effect.void : takeBack))
      })

      const disableRoot = Effect.fn("GuestRequests.disableRoot")(function* (instance: InstanceRecord, by: string) {
        const guest = yield* guestOf(instance)
        if ((yield* instances.rootEnabled(instance.desired.id)) !== "enabled") return yield* new RootNeverEnabled()
        yield* guest.disable_root({})
        yield* instances.setRootEnabled(instance.desired.id, false, by)
      })

      const volumeUsage = Effect.fnUntraced(function* (instance: InstanceRecord) {
        // A guest that has gone silent would only make the tenant wait.
        const status = operatingStatusOf(instance.state, instance.observed, yield* Clock.currentTimeMillis)
        if (status === "ERROR") return Option.none()
        return yield* guestOf(instance).pipe(
          Effect.flatMap((guest) => guest.get_filesystem_stats({ fs_path: null })),
          Effect.timeout(volumeUsageTimeout),
          Effect.option
        )
      })

      return {
        databases,
        createDatabases,
        deleteDatabase,
        users,
        user,
        createUsers,
        deleteUser,
        rootEnabled,
        enableRoot,
        disableRoot,
        volumeUsage
      }
    })
  )
}
