/** Handlers of the routes of an instance's logs. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { InstanceRequests } from "../../services/InstanceRequests.ts"
import { LogRequests } from "../../services/LogRequests.ts"
import { Api } from "../Api.ts"
import { answering } from "../Faults.ts"
import { CurrentCaller, scopeOf } from "../Gate.ts"

const defaultLines = 100

const isSet = (flag: boolean | 0 | 1 | null | undefined) => flag === true || flag === 1

export const LogsRoutes = HttpApiBuilder.group(
  Api,
  "logs",
  Effect.fnUntraced(function* (handlers) {
    const requests = yield* InstanceRequests
    const logs = yield* LogRequests
    return handlers.handleAll({
      list: ({ params }) =>
        Effect.gen(function* () {
          const caller = yield* CurrentCaller
          const instance = yield* requests.get(scopeOf(caller), params.instance)
          return { logs: yield* logs.list(instance, caller) }
        }).pipe(answering),
      act: ({ params, payload: { name, ...flags } }) =>
        Effect.gen(function* () {
          const caller = yield* CurrentCaller
          const instance = yield* requests.get(scopeOf(caller), params.instance)
          const action = {
            enable: isSet(flags.enable),
            disable: isSet(flags.disable),
            publish: isSet(flags.publish),
            discard: isSet(flags.discard)
          }
          return { log: yield* logs.act(instance, caller, name, action) }
        }).pipe(answering),
      text: ({ params, query }) =>
        Effect.gen(function* () {
          const caller = yield* CurrentCaller
          const instance = yield* requests.get(scopeOf(caller), params.instance)
          const part = { offset: query.offset ?? null, lines: query.lines ?? defaultLines }
          return { log: { name: params.log, ...(yield* logs.text(instance, caller, params.log, part)) } }
        }).pipe(answering)
    })
  })
)
