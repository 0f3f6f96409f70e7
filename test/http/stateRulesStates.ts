/**
 * Every state in which a client can meet an instance, and how instances come into it: ordered over HTTP, and then what
 * would bring them there in service, on virtual time.
 */
import { expect } from "@effect/vitest"
import { Clock, type Config, type Context, Duration, Effect, Schema, type Scope } from "effect"
import type { HttpMethod } from "effect/http"
import { RpcGroup } from "effect/rpc"
import type { Command } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import { ConductorApi, conductorTopic, type ServiceStatus } from "../../src/services/ConductorApi.ts"
import { cast } from "../../src/services/Contract.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { guestTopic } from "../../src/services/GuestApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { Observations } from "../../src/services/Observations.ts"
import { TaskmanagerApi, taskmanagerTopic } from "../../src/services/TaskmanagerApi.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import { olderRelease } from "../kit/OlderRelease.ts"
import * as World from "../kit/World.ts"
import * as Service from "./service.ts"

type Ids = ReadonlyArray<InstanceId>
type Surroundings = World.World | Scope.Scope

/** What happens to all of them. */
type Step = (ids: Ids, ask: Service.Ask) => Effect.Effect<void, never, Surroundings>

/** The owner of all instances, and somebody else. */
export const owner: Service.Caller = { name: "demo", admin: false }
const stranger: Service.Caller = { name: "alpha", admin: false }

export interface State {
  /** What is there before the instances are ordered. */
  readonly before?: Effect.Effect<void, never, Surroundings>
  /** How they come into the state from there. */
  readonly come: Step
  /** What the owner sees before each request: `status` and `operating_status`, or null for what is not there. */
  readonly shows: string | null
  /** Who asks, also for what administrators are to ask; the owner and an administrator if nobody is named. */
  readonly caller?: Service.Caller
  /** What it is asked for, in place of the instance. */
  readonly named?: InstanceId
  /** The api that is asked, where it is not like all others. */
  readonly api?: Effect.Effect<Service.Ask, Config.ConfigError, Surroundings>
}

const Created = Schema.Struct({ instance: Schema.Struct({ id: InstanceId }) })

/** Orders so many instances, and gives their ids. */
export const order = (ask: Service.Ask, many: number) =>
  Effect.gen(function* () {
    yield* ask(Service.operator, "PUT", `/mgmt/quotas/${owner.name}`, { quotas: { instances: -1, volumes: -1 } })
    const instance = {
      name: "db",
      flavorRef: "1",
      volume: { size: 1 },
      databases: [{ name: "shop" }],
      users: [{ name: "ann", password: "s3cret", databases: [{ name: "shop" }] }]
    }
    return yield* Effect.replicateEffect(
      Effect.flatMap(ask(owner, "POST", "/instances", { instance }), ({ body }) =>
        Effect.orDie(Schema.decodeUnknownEffect(Created)(body))
      ).pipe(Effect.map((created) => created.instance.id)),
      many
    )
  })

/** A server that is started is not there for an hour. */
const neverStarts = Effect.map(FakeDatabases, ({ faults }) => {
  faults.startTime = Duration.hours(1)
})

const failure = (transient: boolean) =>
  new RuntimeError({ message: "The machine does not take it.", detail: "", transient })

const removalFails = (transient: boolean) =>
  Effect.map(FakeDatabases, ({ faults }) => {
    faults.removeFails = failure(transient)
  })

/** All have come up, and `root` is enabled in each. */
const up: Step = (ids, ask) =>
  Effect.gen(function* () {
    yield* World.passes("3 seconds")
    for (const id of ids) expect((yield* ask(owner, "POST", `/instances/${id}/root`)).status).toBe(200)
  })

/** All have come up, and then this happens. */
const upAnd =
  (...steps: ReadonlyArray<Step>): Step =>
  (ids, ask) =>
    Effect.forEach([up, ...steps], (step) => step(ids, ask), { discard: true })

const passes =
  (...time: Parameters<typeof World.passes>): Step =>
  () =>
    World.passes(...time)

/** The owner asks for it, and it is accepted. */
const asks =
  (method: HttpMethod.HttpMethod, rest = "", body?: unknown): Step =>
  (ids, ask) =>
    Effect.forEach(
      ids,
      (id) => Effect.map(ask(owner, method, `/instances/${id}${rest}`, body), ({ status }) => expect(status).toBe(202)),
      { discard: true }
    )

const remove = asks("DELETE")
const acts = (action: Readonly<Record<string, unknown>>) => asks("POST", "/action", action)

/** The guests tell the conductor what they are, as guests of whatever kind do. */
const report = (service_status: ServiceStatus): Step =>
  Effect.fnUntraced(function* (ids) {
    const conductor = (yield* Fabric).client(conductorTopic, ConductorApi)
    const sent = (yield* Clock.currentTimeMillis) / 1000 + 0.1
    for (const instance_id of ids)
      yield* Effect.orDie(conductor.heartbeat({ instance_id, payload: { service_status }, sent }))
    yield* World.passes("1 second")
  })

/** What the taskmanager is told is lost: it finds commands when it sweeps. */
const newsIsLost = Effect.flatMap(Fabric, (fabric) =>
  fabric.serve(taskmanagerTopic, TaskmanagerApi, {
    wake: () => Effect.void,
    observed: () => Effect.void,
    silent: () => Effect.void
  })
)

const Deaf = RpcGroup.make(cast("heartbeat", { instance_id: Schema.String }))

/** Nobody hears the guests, and nobody can speak to them. */
const unreachable: Step = (ids) =>
  Effect.gen(function* () {
    const fabric = yield* Fabric
    yield* fabric.serve(conductorTopic, Deaf, { heartbeat: () => Effect.void })
    for (const id of ids) yield* Effect.scoped(fabric.serve(guestTopic(id), Deaf, { heartbeat: () => Effect.void }))
  })

const crash: Step = (ids) =>
  Effect.map(FakeDatabases, ({ crash }) => {
    for (const id of ids) crash(id)
  })

const forgotten: Step = (ids) =>
  Effect.flatMap(Observations, ({ forget }) => Effect.forEach(ids, (id) => forget(id), { discard: true }))

/** Of no kind that anybody knows, as a row may be. */
const nonsense: Command = JSON.parse('{"_tag":"Explode"}')

const poisoned: Step = (ids) =>
  Effect.flatMap(Lifecycles, ({ post }) => Effect.forEach(ids, (id) => post(id, "poison", nonsense), { discard: true }))

const toAnother = asks("PATCH", "", { instance: { datastore_version: "18.4" } })

const nobody = InstanceId.make("ffffffff-0000-4000-8000-000000000000")

/** By column of the table. */
export const states: Readonly<Record<string, State>> = {
  new: { before: newsIsLost, come: () => Effect.void, shows: "BUILD" },
  prep: {
    before: Effect.map(GuestHosts, (hosts) => void Object.assign(hosts, { ensure: () => Effect.never })),
    come: passes("1 second"),
    shows: "BUILD"
  },
  make: { before: neverStarts, come: passes("1 second"), shows: "BUILD" },
  up: { come: up, shows: "ACTIVE HEALTHY" },
  mute: { come: upAnd(unreachable, passes("4 minutes", "10 seconds")), shows: "ACTIVE ERROR" },
  fell: { come: upAnd(() => neverStarts, crash, passes("2 seconds")), shows: "ACTIVE SHUTDOWN" },
  down: { come: upAnd(report("shutdown")), shows: "ACTIVE SHUTDOWN" },
  hold: { come: upAnd(report("paused")), shows: "ACTIVE SHUTDOWN" },
  worn: { come: upAnd(report("restart required")), shows: "ACTIVE RESTART_REQUIRED" },
  dark: { come: upAnd(forgotten), shows: "ACTIVE NEW" },
  boot: { come: upAnd(() => neverStarts, acts({ restart: {} }), passes("2 seconds")), shows: "REBOOT" },
  size: {
    come: upAnd(() => neverStarts, acts({ resize: { flavorRef: "2" } }), passes("2 seconds")),
    shows: "RESIZE"
  },
  rest: { come: upAnd(acts({ stop: {} }), passes("5 seconds")), shows: "SHUTDOWN SHUTDOWN" },
  move: { come: upAnd(() => neverStarts, toAnother, passes("2 seconds")), shows: "UPGRADE" },
  exit: { come: upAnd(() => removalFails(true), remove, passes("2 seconds")), shows: "SHUTDOWN" },
  fail: {
    before: Effect.map(FakeDatabases, ({ faults }) => {
      faults.startFails = failure(false)
    }),
    come: passes("10 seconds"),
    shows: "ERROR"
  },
  left: { come: upAnd(() => removalFails(false), remove, passes("20 seconds")), shows: "ERROR" },
  bug: { come: upAnd(poisoned, passes("100 seconds", "1 second")), shows: "ERROR" },
  next: {
    come: upAnd(() => neverStarts, acts({ restart: {} }), passes("2 seconds")),
    shows: "UNKNOWN",
    api: Effect.updateContext(Service.make, (context: Context.Context<Surroundings>) => olderRelease(context))
  },
  gone: { come: upAnd(remove, passes("5 seconds")), shows: null },
  them: { come: up, shows: "ACTIVE HEALTHY", caller: stranger },
  none: { come: () => Effect.void, shows: null, named: nobody }
}
