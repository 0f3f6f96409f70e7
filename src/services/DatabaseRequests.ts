/** What a tenant may ask of the databases inside an instance. Nothing of them is kept here: the guest is asked. */
import { Context, Effect, Layer, Schema } from "effect"
import type { Database } from "./GuestApi.ts"
import { InvalidRequest } from "./InstanceRequests.ts"
import type { InstanceRecord } from "./Instances.ts"
import { refuseDatabaseName, refuseDatabases } from "./NameRules.ts"
import { type Listed, type NotServed, type PageOf, servingGuest } from "./ServingGuest.ts"

export class DatabaseNotFound extends Schema.TaggedError<DatabaseNotFound>()("DatabaseNotFound", {
  name: Schema.String
}) {}

export class DatabaseRequests extends Context.Service<
  DatabaseRequests,
  {
    readonly list: (instance: InstanceRecord, page: PageOf) => Effect.Effect<Listed<Database>, NotServed>
    readonly create: (
      instance: InstanceRecord,
      databases: ReadonlyArray<Database>
    ) => Effect.Effect<void, NotServed | InvalidRequest>
    readonly remove: (
      instance: InstanceRecord,
      name: string
    ) => Effect.Effect<void, NotServed | InvalidRequest | DatabaseNotFound>
    /** Fails unless it is there. */
    readonly find: (
      instance: InstanceRecord,
      name: string
    ) => Effect.Effect<void, NotServed | InvalidRequest | DatabaseNotFound>
  }
>()("coffer/services/DatabaseRequests") {
  static readonly layer = Layer.effect(
    DatabaseRequests,
    Effect.gen(function* () {
      const { guestOf, refuse } = yield* servingGuest

      const list = Effect.fnUntraced(function* (instance: InstanceRecord, page: PageOf) {
        const guest = yield* guestOf(instance)
        return yield* guest.list_databases({ ...page, include_marker: false })
      })

      /** Lists are in the order of names, so the page that begins at `name` tells whether it is there. */
      const has = Effect.fnUntraced(function* (instance: InstanceRecord, name: string) {
        const guest = yield* guestOf(instance)
        const [found] = yield* guest.list_databases({ limit: 1, marker: name, include_marker: true })
        return found[0]?.name === name
      })

      const find = Effect.fnUntraced(function* (instance: InstanceRecord, name: string) {
        yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseDatabaseName(manager, name))
        if (!(yield* has(instance, name))) return yield* new DatabaseNotFound({ name })
      })

      const create = Effect.fn("DatabaseRequests.create")(function* (
        instance: InstanceRecord,
        wanted: ReadonlyArray<Database>
      ) {
        const guest = yield* guestOf(instance)
        yield* refuse(instance, (manager) => refuseDatabases(manager, wanted))
        for (const { name } of wanted)
          if (yield* has(instance, name))
            return yield* new InvalidRequest({ message: `A database with the name "${name}" already exists.` })
        if (wanted.length > 0) yield* guest.create_database({ databases: wanted })
      })

      const remove = Effect.fn("DatabaseRequests.remove")(function* (instance: InstanceRecord, name: string) {
        const guest = yield* guestOf(instance)
        yield* find(instance, name)
        yield* guest.delete_database({ database: { name } })
      })

      return { list, create, remove, find }
    })
  )
}
