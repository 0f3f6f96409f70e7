/** Handlers of the routes that reach inside an instance: databases, users, root. */
import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { DatabaseRequests } from "../../services/DatabaseRequests.ts"
import type { User } from "../../services/GuestApi.ts"
import { InstanceRequests } from "../../services/InstanceRequests.ts"
import { RootRequests } from "../../services/RootRequests.ts"
import { type UserName, UserRequests } from "../../services/UserRequests.ts"
import { Api } from "../Api.ts"
import { answering } from "../Faults.ts"
import { CurrentCaller, scopeOf } from "../Gate.ts"
import { namesOf, toDatabases, toPasswords, toUsers } from "../Names.ts"
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
    const databases = yield* DatabaseRequests
    const instanceOf = yield* finder
    return handlers.handleAll({
      list: ({ request, params, query }) =>
        Effect.gen(function* () {
          const [found, marker] = yield* databases.list(yield* instanceOf(params.instance), pageOf(query))
          return { databases: found.map(({ name }) => ({ name })), ...next(request, marker, "databases_links") }
        }).pipe(answering),
      create: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => databases.create(instance, toDatabases(payload.databases))),
          answering
        ),
      remove: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => databases.remove(instance, params.database)),
          answering
        )
    })
  })
)

const UsersRoutes = HttpApiBuilder.group(
  Api,
  "users",
  Effect.fnUntraced(function* (handlers) {
    const users = yield* UserRequests
    const instanceOf = yield* finder
    return handlers.handleAll({
      list: ({ request, params, query }) =>
        Effect.gen(function* () {
          const [found, marker] = yield* users.list(yield* instanceOf(params.instance), pageOf(query))
          return { users: found.map(userView), ...next(request, marker, "users_links") }
        }).pipe(answering),
      create: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.create(instance, toUsers(payload.users))),
          answering
        ),
      show: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.get(instance, userNameOf(params.user))),
          Effect.map((user) => ({ user: userView(user) })),
          answering
        ),
      remove: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.remove(instance, userNameOf(params.user))),
          answering
        ),
      update: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.update(instance, userNameOf(params.user), payload.user)),
          answering
        ),
      changePasswords: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.changePasswords(instance, toPasswords(payload.users))),
          answering
        ),
      grants: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.get(instance, userNameOf(params.user))),
          Effect.map(({ databases }) => ({ databases })),
          answering
        ),
      grant: ({ params, payload }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.grant(instance, userNameOf(params.user), namesOf(payload.databases))),
          answering
        ),
      revoke: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap((instance) => users.revoke(instance, userNameOf(params.user), params.database)),
          answering
        )
    })
  })
)

const RootRoutes = HttpApiBuilder.group(
  Api,
  "root",
  Effect.fnUntraced(function* (handlers) {
    const root = yield* RootRequests
    const instanceOf = yield* finder
    return handlers.handleAll({
      show: ({ params }) =>
        instanceOf(params.instance).pipe(
          Effect.flatMap(root.isEnabled),
          Effect.map((rootEnabled) => ({ rootEnabled })),
          answering
        ),
      enable: ({ params, payload }) =>
        Effect.gen(function* () {
          const { user: by } = yield* CurrentCaller
          const instance = yield* instanceOf(params.instance)
          return { user: yield* root.enable(instance, payload?.password ?? null, by) }
        }).pipe(answering),
      disable: ({ params }) =>
        Effect.gen(function* () {
          const { user: by } = yield* CurrentCaller
          yield* root.disable(yield* instanceOf(params.instance), by)
        }).pipe(answering)
    })
  })
)

export const GuestRoutes = Layer.mergeAll(DatabasesRoutes, UsersRoutes, RootRoutes)
