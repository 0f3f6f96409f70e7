/**
 * Every state in which a client can meet an instance, and how instances come into it: ordered over HTTP, and then what
 * would bring them there in service, on virtual time.
 */
import { expect } from "@effect/vitest"
import { Clock, type Config, type Context, Duration, Effect, Schema, type Scope } from "effect"
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

/** The owner of all instances, and somebody else. */
export const owner: Service.Caller = { name: "demo", admin: false }
const stranger: Service.Caller = { name: "alpha", admin: false }

export interface State {
  /** What is there before the instances are ordered. */
  readonly before?: Effect.Effect<void, never, Surroundings>
  /** How they come into the state from there. */
  readonly come: (ids: Ids, ask: Service.Ask) => Effect.Effect<void, never, Surroundings>
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
const up = (ids: Ids, ask: Service.Ask) =>
  Effect.gen(function* () {
    yield* World.passes("3 seconds")
    for (const id of ids) expect((yield* ask(owner, "POST", `/instances/${id}/root`)).status).toBe(200)
  })

const accepted = (ids: Ids, request: (id: InstanceId) => Effect.Effect<Service.Answer, never, World.World>) =>
  Effect.forEach(ids, (id) => Effect.map(request(id), ({ status }) => expect(status).toBe(202)), { discard: true })

const remove = (ids: Ids, ask: Service.Ask) => accepted(ids, (id) => ask(owner, "DELETE", `/instances/${id}`))

const restart = (ids: Ids, ask: Service.Ask) =>
  accepted(ids, (id) => ask(owner, "POST", `/instances/${id}/action`, { restart: {} }))

/** The guests tell the conductor what they are, as guests of whatever kind do. */
const report = (ids: Ids, service_status: ServiceStatus) =>
  Effect.gen(function* () {
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
const unreachable = (ids: Ids) =>
  Effect.gen(function* () {
    const fabric = yield* Fabric
    yield* fabric.serve(conductorTopic, Deaf, { heartbeat: () => Effect.void })
    for (const id of ids) yield* Effect.scoped(fabric.serve(guestTopic(id), Deaf, { heartbeat: () => Effect.void }))
  })

/** Of no kind that anybody knows, as a row may be. */
const nonsense: Command = JSON.parse('{"_tag":"Explode"}')

const nobody = InstanceId.make("ffffffff-0000-4000-8000-000000000000")

/** By column of the table. */
export const states: Readonly<Record<string, State>> = {
  new: { before: newsIsLost, come: () => Effect.void, shows: "BUILD" },
  prep: {
    before: Effect.map(GuestHosts, (hosts) => void Object.assign(hosts, { ensure: () => Effect.never })),
    come: () => World.passes("1 second"),
    shows: "BUILD"
  },
  make: { before: neverStarts, come: () => World.passes("1 second"), shows: "BUILD" },
  up: { come: up, shows: "ACTIVE HEALTHY" },
  mute: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* unreachable(ids)
        yield* World.passes("4 minutes", "10 seconds")
      }),
    shows: "ACTIVE ERROR"
  },
  fell: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* neverStarts
        const { crash } = yield* FakeDatabases
        for (const id of ids) crash(id)
        yield* World.passes("2 seconds")
      }),
    shows: "ACTIVE SHUTDOWN"
  },
  down: {
    come: (ids, ask) => Effect.andThen(up(ids, ask), report(ids, "shutdown")),
    shows: "ACTIVE SHUTDOWN"
  },
  hold: {
    come: (ids, ask) => Effect.andThen(up(ids, ask), report(ids, "paused")),
    shows: "ACTIVE SHUTDOWN"
  },
  worn: {
    come: (ids, ask) => Effect.andThen(up(ids, ask), report(ids, "restart required")),
    shows: "ACTIVE RESTART_REQUIRED"
  },
  dark: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        const { forget } = yield* Observations
        for (const id of ids) yield* forget(id)
      }),
    shows: "ACTIVE NEW"
  },
  boot: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* neverStarts
        yield* restart(ids, ask)
        yield* World.passes("2 seconds")
      }),
    shows: "REBOOT"
  },
  rest: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* accepted(ids, (id) => ask(owner, "POST", `/instances/${id}/action`, { stop: {} }))
        yield* World.passes("5 seconds")
      }),
    shows: "SHUTDOWN SHUTDOWN"
  },
  move: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* neverStarts
        yield* accepted(ids, (id) =>
          ask(owner, "PATCH", `/instances/${id}`, { instance: { datastore_version: "18.4" } })
        )
        yield* World.passes("2 seconds")
      }),
    shows: "UPGRADE"
  },
  exit: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* removalFails(true)
        yield* remove(ids, ask)
        yield* World.passes("2 seconds")
      }),
    shows: "SHUTDOWN"
  },
  fail: {
    before: Effect.map(FakeDatabases, ({ faults }) => {
      faults.startFails = failure(false)
    }),
    come: () => World.passes("10 seconds"),
    shows: "ERROR"
  },
  left: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* removalFails(false)
        yield* remove(ids, ask)
        yield* World.passes("20 seconds")
      }),
    shows: "ERROR"
  },
  bug: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        const { post } = yield* Lifecycles
        for (const id of ids) yield* post(id, "poison", nonsense)
        yield* World.passes("100 seconds", "1 second")
      }),
    shows: "ERROR"
  },
  next: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* neverStarts
        yield* restart(ids, ask)
        yield* World.passes("2 seconds")
      }),
    shows: "UNKNOWN",
    api: Effect.updateContext(Service.make, (context: Context.Context<Surroundings>) => olderRelease(context))
  },
  gone: {
    come: (ids, ask) =>
      Effect.gen(function* () {
        yield* up(ids, ask)
        yield* remove(ids, ask)
        yield* World.passes("5 seconds")
      }),
    shows: null
  },
  them: { come: up, shows: "ACTIVE HEALTHY", caller: stranger },
  none: { come: () => Effect.void, shows: null, named: nobody }
}
