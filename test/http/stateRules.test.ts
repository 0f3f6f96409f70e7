/**
 * The state rules: what is answered to each action in each state. Every cell is a request over HTTP, to an instance of its
 * own that was brought into the state by real means (`stateRulesStates.ts`). What is refused changes nothing.
 *
 * To add an action, name its request in `stateRulesActions.ts` and give it a row.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Option, Schema } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import * as Service from "./service.ts"
import { type Action, actions } from "./stateRulesActions.ts"
import { order, owner, type State, states } from "./stateRulesStates.ts"

/**
 * | column | what it is |
 * |---|---|
 * | new | BUILD, and no taskmanager has heard of it |
 * | prep | BUILD, and there is no server yet |
 * | make | BUILD, its server is starting |
 * | up | ACTIVE, HEALTHY |
 * | mute | ACTIVE, its guest has fallen silent and cannot be reached |
 * | fell | ACTIVE, its database has crashed |
 * | down | ACTIVE, its guest has reported `shutdown` |
 * | hold | ACTIVE, its guest has reported `paused` |
 * | worn | ACTIVE, its guest has reported `restart required` |
 * | dark | ACTIVE, and nothing is known of its guest |
 * | boot | REBOOT |
 * | rest | SHUTDOWN, its database was stopped |
 * | move | UPGRADE |
 * | exit | SHUTDOWN, its delete is under way |
 * | fail | ERROR after a build that failed |
 * | left | ERROR after a delete that failed |
 * | bug | ERROR after a defect |
 * | next | UNKNOWN: in a state of a newer release |
 * | gone | deleted |
 * | them | up, and another tenant asks, also for what is the administrators' |
 * | none | no instance at all |
 */
const table = `
                        new prep make   up mute fell down hold worn dark boot size rest move exit fail left  bug next gone them none
show                    200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  404  404  404
history                 200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  404  404  404
rename (PUT)            202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
rename (PATCH)          202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
restart                 422  422  422  202  202  202  202  422  202  422  422  422  202  422  422  422  422  422  422  404  404  404
stop                    422  422  422  202  202  202  202  422  202  422  422  422  422  422  422  422  422  422  422  404  404  404
start                   422  422  422  422  422  422  422  422  422  422  422  422  202  422  422  422  422  422  422  404  404  404
reset status            403  403  403  403  403  403  403  403  403  403  403  403  403  403  403  403  403  403  403  404  404  404
reset status, admin     202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
force delete            202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
delete                  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
list databases          422  422  422  200  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
create database         422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
delete database         422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
list users              422  422  422  200  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
create user             422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
show user               422  422  422  200  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
change user             422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
change passwords        422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
delete user             422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
list grants             422  422  422  200  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
grant                   422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
revoke                  422  422  422  202  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
show root               422  422  422  200  200  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
enable root             422  422  422  200  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
disable root            422  422  422  204  400  422  422  422  422  422  422  422  422  422  422  422  422  422  422  404  404  404
list logs               422  422  422  200  400  200  200  200  200  200  422  422  200  422  422  422  422  422  422  404  404  404
show log                422  422  422  200  400  200  200  200  200  200  422  422  200  422  422  422  422  422  422  404  404  404
enable log              422  422  422  200  400  200  200  200  200  200  422  422  200  422  422  422  422  422  422  404  404  404
read log                422  422  422  200  400  200  200  200  200  200  422  422  200  422  422  422  422  422  422  404  404  404
resize volume           422  422  422  202  202  202  202  422  202  422  422  422  422  422  422  422  422  422  422  404  404  404
resize flavor           422  422  422  202  202  202  202  422  202  422  422  422  422  422  422  422  422  422  422  404  404  404
promote                 501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  404  404  404
eject                   501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  404  404  404
change access           202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
default configuration   200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  404  404  404
attach configuration    400  400  400  202  202  202  202  202  202  202  400  400  202  400  400  400  400  400  400  404  404  404
detach configuration    202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  404  404
upgrade                 422  422  422  202  202  202  202  422  202  422  422  422  422  422  422  422  422  422  422  404  404  404
mgmt show               200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  404  401  404
mgmt show deleted       404  404  404  404  404  404  404  404  404  404  404  404  404  404  404  404  404  404  404  200  401  404
mgmt root               200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  404  401  404
mgmt ping               400  400  204  204  400  204  204  204  204  204  204  204  204  204  400  400  400  204  204  404  401  404
mgmt reboot             422  422  422  202  202  202  202  422  202  422  422  422  202  422  422  422  422  422  422  404  401  404
mgmt reset status       202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  401  404
mgmt stop               422  422  422  202  202  202  202  422  202  422  422  422  422  422  422  422  422  422  422  404  401  404
mgmt migrate            501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  501  404  401  404
mgmt rebuild            422  422  422  202  202  202  202  202  202  202  422  422  202  422  422  422  422  202  422  404  401  404
mgmt hwinfo             422  422  422  200  400  422  200  200  200  200  422  422  422  422  422  422  422  200  422  404  401  404
mgmt diagnostics        422  422  422  200  400  422  200  200  200  200  422  422  422  422  422  422  422  200  422  404  401  404
mgmt delete             202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  202  404  401  404
operation show          200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  200  404  403  404
operation cancel        409  202  202  409  409  409  409  409  409  409  202  202  409  202  202  409  409  409  409  404  403  404
operation compensate    202  202  202  409  409  409  409  409  409  409  409  409  409  409  409  202  202  409  409  404  403  404
operation retry         409  409  409  409  409  409  409  409  409  409  409  409  409  409  409  202  202  202  409  404  403  404
`

const [header = "", ...lines] = table.trim().split("\n")
const columns = header.trim().split(/\s+/)

/** By row, then by column. */
const rules = new Map(
  lines.map((line) => {
    const [, name = "", codes = ""] = /^(.*?)((?:\s+\d{3})+)$/.exec(line) ?? []
    return [name.trim(), codes.trim().split(/\s+/).map(Number)] as const
  })
)

const Seen = Schema.Struct({ instance: Schema.Struct({ status: Schema.String, operating_status: Schema.String }) })
const isFault = Schema.is(
  Schema.Record(Schema.String, Schema.Struct({ code: Schema.Int, message: Schema.NonEmptyString }))
)

/** `status` and `operating_status`, as the owner sees them; null for what is not there. */
const shown = Effect.fnUntraced(function* (ask: Service.Ask, id: InstanceId) {
  const { body, status } = yield* ask(owner, "GET", `/instances/${id}`)
  if (status === 404) return null
  const { instance } = yield* Effect.orDie(Schema.decodeUnknownEffect(Seen)(body))
  return `${instance.status} ${instance.operating_status}`.trim()
})

/** All that there is of an instance: its views, its history, what waits for its actor, what its database holds. */
const everythingOf = Effect.fnUntraced(function* (ask: Service.Ask, id: InstanceId) {
  const server = (yield* FakeDatabases).servers.get(id)
  const loaded = yield* Effect.exit((yield* Lifecycles).load(id))
  const seen = (path: string) => Effect.map(ask(Service.operator, "GET", path), ({ body }) => body)
  return {
    views: [yield* seen(`/mgmt/instances/${id}`), yield* seen(`/mgmt/instances/${id}?deleted=true`)],
    history: yield* seen(`/instances/${id}/history`),
    operation: yield* seen(`/mgmt/operations/${id}`),
    root: yield* seen(`/mgmt/instances/${id}/root`),
    quotas: yield* seen(`/mgmt/quotas/${owner.name}`),
    mail: Exit.isSuccess(loaded) ? Option.getOrNull(loaded.value)?.mail : null,
    database: [server?.everything, server?.users]
  }
})

const Group = Schema.Struct({ configuration: Schema.Struct({ id: Schema.String }) })

/** A group of nothing, which fits each of the owner's instances. */
const aGroup = Effect.fnUntraced(function* (ask: Service.Ask) {
  const { body } = yield* ask(owner, "POST", "/configurations", { configuration: { name: "group", values: {} } })
  return (yield* Effect.orDie(Schema.decodeUnknownEffect(Group)(body))).configuration.id
})

/** Asks for the action, and gives the code of the answer. */
const attempt = Effect.fnUntraced(function* (
  state: State,
  { admin, body: told, bodyOf, method, path }: Action,
  id: InstanceId,
  group: string,
  ask: Service.Ask
) {
  expect(yield* shown(ask, state.named ?? id), "the instance has left its state").toBe(state.shows)
  const at = yield* Clock.currentTimeMillis
  const before = yield* everythingOf(ask, id)
  const caller = state.caller ?? (admin === true ? Service.operator : owner)
  const { body, status } = yield* ask(caller, method, path(state.named ?? id), bodyOf?.(group) ?? told)
  if (status < 400) return status
  expect(isFault(body), JSON.stringify(body)).toBe(true)
  expect(Object.values(Object(body))).toMatchObject([{ code: status }])
  expect(yield* everythingOf(ask, id), `${method} ${path(id)}: what was refused has changed something`).toEqual(before)
  expect(yield* Clock.currentTimeMillis, "a refusal takes no time").toBe(at)
  return status
})

it("the table has every action and every state", () => {
  expect([...rules.keys()]).toEqual(Object.keys(actions))
  expect(columns).toEqual(Object.keys(states))
  for (const [name, codes] of rules) expect(codes, name).toHaveLength(columns.length)
})

describe("what is answered in the state", () => {
  for (const [column, [name, state]] of Object.entries(states).entries())
    it.effect(name, () =>
      World.run(
        Effect.gen(function* () {
          yield* state.before ?? Effect.void
          const ask = yield* Service.make
          const group = yield* aGroup(ask)
          const ids = yield* order(ask, Object.keys(actions).length)
          yield* state.come(ids, ask)
          const seen = yield* state.api ?? Effect.succeed(ask)
          const answered: Record<string, number> = {}
          for (const [n, [row, action]] of Object.entries(actions).entries()) {
            const id = ids[n]
            if (id !== undefined) answered[row] = yield* Effect.scoped(attempt(state, action, id, group, seen))
          }
          expect(answered).toEqual(Object.fromEntries([...rules].map(([row, codes]) => [row, codes[column]])))
        })
      )
    )
})
