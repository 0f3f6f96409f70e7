/**
 * What a tenant may ask of the users inside an instance, and of what is granted to them. Nothing of them is kept here:
 * the guest is asked.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { type DatabaseNotFound, DatabaseRequests } from "./DatabaseRequests.ts"
import type { NewPassword, NewUser, User, UserChange } from "./GuestApi.ts"
import { InvalidRequest } from "./InstanceRequests.ts"
import type { InstanceRecord } from "./Instances.ts"
import { refuseHost, refuseUserName, refuseUsers } from "./NameRules.ts"
import { type Listed, type NotServed, type PageOf, servingGuest } from "./ServingGuest.ts"

export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", {
  name: Schema.String,
  host: Schema.String
}) {}

/** The database was never granted to the user. */
export class NotGranted extends Schema.TaggedError<NotGranted>()("NotGranted", {
  user: Schema.String,
  database: Schema.String
}) {}

/** A user by name and host; `%` is any host. */
export interface UserName {
  readonly name: string
  readonly host: string
}

type OfUser = NotServed | InvalidRequest | UserNotFound

export class UserRequests extends Context.Service<
  UserRequests,
  {
    readonly list: (instance: InstanceRecord, page: PageOf) => Effect.Effect<Listed<User>, NotServed>
    readonly get: (instance: InstanceRecord, user: UserName) => Effect.Effect<User, OfUser>
    readonly create: (
      instance: InstanceRecord,
      users: ReadonlyArray<NewUser>
    ) => Effect.Effect<void, NotServed | InvalidRequest>
    readonly remove: (instance: InstanceRecord, user: UserName) => Effect.Effect<void, OfUser>
    readonly update: (instance: InstanceRecord, user: UserName, change: UserChange) => Effect.Effect<void, OfUser>
    /** Of all of them, or of none where one is not there. */
    readonly changePasswords: (
      instance: InstanceRecord,
      users: ReadonlyArray<NewPassword>
    ) => Effect.Effect<void, OfUser>
    readonly grant: (
      instance: InstanceRecord,
      user: UserName,
      databases: ReadonlyArray<string>
    ) => Effect.Effect<void, OfUser | DatabaseNotFound>
    readonly revoke: (
      instance: InstanceRecord,
      user: UserName,
      database: string
    ) => Effect.Effect<void, OfUser | NotGranted>
  }
>()("coffer/services/UserRequests") {
  static readonly layer = Layer.effect(
    UserRequests,
    Effect.gen(function* () {
      const { guestOf, refuse } = yield* servingGuest
      const databases = yield* DatabaseRequests

      const list = Effect.fnUntraced(function* (instance: InstanceRecord, page: PageOf) {
        const guest = yield* guestOf(instance)
        return yield* guest.list_users({ ...page, include_marker: false })
      })

      const has = Effect.fnUntraced(function* (instance: InstanceRecord, { host, name }: UserName) {
        const guest = yield* guestOf(instance)
        return (yield* guest.get_user({ username: name, hostname: host })) !== null
      })

      const get = Effect.fnUntraced(function* (instance: InstanceRecord, { name, host }: UserName) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseUserName(manager, name))
        const found = yield* guest.get_user({ username: name, hostname: host })
        return found ?? (yield* new UserNotFound({ name, host }))
      })

      const taken = (name: string) => new InvalidRequest({ message: `A user with the name "${name}" already exists.` })

      const create = Effect.fn("UserRequests.create")(function* (
        instance: InstanceRecord,
        wanted: ReadonlyArray<NewUser>
      ) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseUsers(manager, wanted))
        for (const { name, host } of wanted)
          if (yield* has(instance, { name, host: host ?? "%" })) return yield* taken(name)
        if (wanted.length > 0) yield* guest.create_user({ users: wanted })
      })

      const remove = Effect.fn("UserRequests.remove")(function* (instance: InstanceRecord, user: UserName) {
        const guest = yield* guestOf(instance)
        yield* get(instance, user)
        yield* guest.delete_user({ user })
      })

      const update = Effect.fn("UserRequests.update")(function* (
        instance: InstanceRecord,
        user: UserName,
        change: UserChange
      ) {
        const guest = yield* guestOf(instance)
        const next = { name: change.name ?? user.name, host: change.host ?? user.host }
        yield* refuse(instance, (manager) => refuseUserName(manager, next.name) ?? refuseHost(manager, next.host))
        yield* get(instance, user)
        const isMoved = next.name !== user.name || next.host !== user.host
        if (isMoved && (yield* has(instance, next))) return yield* taken(next.name)
        yield* guest.update_attributes({ username: user.name, hostname: user.host, user_attrs: change })
      })

      const changePasswords = Effect.fn("UserRequests.changePasswords")(function* (
        instance: InstanceRecord,
        users: ReadonlyArray<NewPassword>
      ) {
        const guest = yield* guestOf(instance)
        for (const { host, name } of users) yield* get(instance, { name, host: host ?? "%" })
        if (users.length > 0) yield* guest.change_passwords({ users })
      })

      const grant = Effect.fn("UserRequests.grant")(function* (
        instance: InstanceRecord,
        user: UserName,
        wanted: ReadonlyArray<string>
      ) {
        const guest = yield* guestOf(instance)
        yield* get(instance, user)
        for (const name of wanted) yield* databases.find(instance, name)
        if (wanted.length > 0)
          yield* guest.grant_access({ username: user.name, hostname: user.host, databases: wanted })
      })

      const revoke = Effect.fn("UserRequests.revoke")(function* (
        instance: InstanceRecord,
        user: UserName,
        database: string
      ) {
        const guest = yield* guestOf(instance)
        const held = (yield* get(instance, user)).databases
        if (!held.some(({ name }) => name === database)) return yield* new NotGranted({ user: user.name, database })
        yield* guest.revoke_access({ username: user.name, hostname: user.host, database })
      })

      return { list, get, create, remove, update, changePasswords, grant, revoke }
    })
  ).pipe(Layer.provide(DatabaseRequests.layer))
}
