/** Handlers of the routes that reach inside an instance: databases, users, root. */
import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { User } from "../../services/GuestApi.ts"
import { GuestRequests, type UserName } from "../../services/GuestRequests.ts"
import { InstanceRequests } from "../../services/InstanceRequests.ts"
import { Api } from "../Api.ts"
import { answering } from "../Faults.ts"
import { CurrentCaller, scopeOf } from "../Gate.ts"
import { toDatabases, toUsers } from "../Names.ts"
import { next, pageOf } from "../Wire.ts"

/** Finds the caller's instance of an id. */
const finder = Effect.map(InstanceRequests, (requests) =>
  Effect.fnUntraced(function* (id: string) {
    return yield* requests.get(scopeOf(yield* CurrentCaller), id)
  })
)

/** `name`, `name@` or `name@host`; the last @ splits, and no host is any host. */
const userNameOf = (segment: string): UserName => {
  const at = segment.lastIndexOf("@")
  return at < 0 ? { name: segment, host: "%" } : { name: segment.slice(0, at), host: segment.slice(at + 1) || "%" }
}

const userView = ({ name, host, databases }: User) => ({ name, host: host ?? "%", databases })

const DatabasesRoutes = HttpApiBuilder.group(
  Api,
  "databases",
  Effect.fnUntraced(function* (handlers) {
    const guests = yield* GuestRequests
    const instanceOf = yield* finder
    return handlers.handleAll({
      list: ({ request, params, query }) =>
        Effect.gen(function* () {
          const [databases, marker] = yield* guests.databases(yield* instanceOf(params.instance), pageOf(query))
          return { databases: databases.map(({ name }) => ({ name })), ...next(request, marker) }
        }).pipe(answering),
      create: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => guests.createDatabases(instance, toDatabases(payload.databases))),
          answering
        ),
      remove: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => guests.deleteDatabase(instance, params.database)),
          answering
        )
    })
  })
)

const UsersRoutes = HttpApiBuilder.group(
  Api,
  "users",
  Effect.fnUntraced(function* (handlers) {
    const guests = yield* GuestRequests
    const instanceOf = yield* finder
    return handlers.handleAll({
      list: ({ request, params, query }) =>
        Effect.gen(function* () {
          const [users, marker] = yield* guests.users(yield* instanceOf(params.instance), pageOf(query))
          return { users: users.map(userView), ...next(request, marker) }
        }).pipe(answering),
      create: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => guests.createUsers(instance, toUsers(payload.users))),
          answering
        ),
      show: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => guests.user(instance, userNameOf(params.user))),
          Effect.map((user) => ({ user: userView(user) })),
          answering
        ),
      remove: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => guests.deleteUser(instance, userNameOf(params.user))),
          answering
        )
    })
  })
)

const RootRoutes = HttpApiBuilder.group(
  Api,
  "root",
  Effect.fnUntraced(function* (handlers) {
    const guests = yield* GuestRequests
    const instanceOf = yield* finder
    return handlers.handleAll({
      show: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap(guests.rootEnabled),
          Effect.map((rootEnabled) => ({ rootEnabled })),
          answering
        ),
      enable: ({ params, payload }) =>
        Effect.gen(function* () {
          const { user: by } = yield* CurrentCaller
          const instance = yield* instanceOf(params.instance)
          return { user: yield* guests.enableRoot(instance, payload?.password ?? null, by) }
        }).pipe(answering),
      disable: ({ params }) =>
        Effect.gen(function* () {
          const { user: by } = yield* CurrentCaller
          yield* guests.disableRoot(yield* instanceOf(params.instance), by)
        }).pipe(answering)
    })
  })
)

export const GuestRoutes = Layer.mergeAll(DatabasesRoutes, UsersRoutes, RootRoutes)
