/**
 * Heartbeats as guests send them, of many guests over the connections of one process: in clear text, or each sealed
 * with its guest's own key.
 */
// First, as in main.ts: before any schema is used.
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import * as GuestProtections from "../../src/layers/fabric/secure/GuestProtections.ts"
import { Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import * as NoProtection from "../../src/layers/fabric/secure/NoProtection.ts"
import { onlyAsking } from "../../src/layers/fabric/secure/OneSided.ts"
import { type Protection, ProtectionRefused, Protections } from "../../src/layers/fabric/secure/Protection.ts"
import * as ReplayGuard from "../../src/layers/fabric/secure/ReplayGuard.ts"
import * as Telemetry from "../../src/layers/Telemetry.ts"
import { ConductorApi, conductorTopic, ServiceStatus } from "../../src/services/ConductorApi.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { openTopic } from "./bareBroker.ts"
import * as composition from "./composition.ts"
import { answer, options } from "./parent.ts"
import { connected, Form, fabric, keyring } from "./rabbitComposition.ts"

const { broker, copied, form, url } = options(
  Schema.Struct({ broker: Schema.String, copied: Schema.Boolean, form: Form, url: Schema.String })
)

const Ids = Schema.Array(InstanceId)
const Beats = Schema.Struct({ ids: Ids, rounds: Schema.Int })
/** Each guest in its turn, at an even pace. */
const Paced = Schema.Struct({
  ids: Ids,
  perSecond: Schema.Number,
  seconds: Schema.Number,
  status: Schema.optionalKey(ServiceStatus)
})

/** How many wait for the broker's word at once. */
const atOnce = 512

/** The pause between two handfuls of a pace, in milliseconds. */
const handful = 10

/** What each guest says to the conductor, protected by its key. */
const guests = new Map<unknown, Protection>()
const reports = onlyAsking({
  sealRequest: (request) => {
    const guest = guests.get(request.args["instance_id"])
    return guest === undefined ? Effect.die("a guest without a key") : guest.sealRequest(request)
  },
  openReply: () => Effect.fail(new ProtectionRefused({ reason: "a report is not answered" }))
})
const protections =
  form === "plain" ? NoProtection.layer : Layer.succeed(Protections, { of: () => Effect.succeed(reports) })

const runtime = ManagedRuntime.make(
  Layer.mergeAll(fabric(broker, "guests").pipe(Layer.provide(protections)), keyring).pipe(
    Layer.provide(composition.sql(url)),
    Layer.provideMerge(Telemetry.layer)
  )
)

/** Draws a key for each, as a build does. */
const giveKeys = Effect.fnUntraced(function* (ids: typeof Ids.Type) {
  if (form === "plain") return
  const keyring = yield* Keyring
  const give = Effect.fnUntraced(function* (id: InstanceId) {
    if (guests.has(id)) return
    const link = yield* keyring.ensure(id, form)
    const own = yield* GuestProtections.makeGuest(id, link, yield* ReplayGuard.inMemory)
    guests.set(id, yield* own.of(conductorTopic))
  })
  yield* Effect.forEach(ids, give, { concurrency: 16, discard: true })
})

/** Trove's agents know no progress. */
const payloadOf = (service_status: ServiceStatus) =>
  form === "trove" ? { service_status } : { service_status, progress: null }

/** Each later than the last of its guest. */
let sent = Date.now() / 1000
const beatOf = Effect.fnUntraced(function* (status: ServiceStatus = "healthy") {
  const conductor = (yield* Fabric).client(conductorTopic, ConductorApi)
  return (instance_id: string) => {
    sent += 0.00001
    return conductor.heartbeat({ instance_id, payload: payloadOf(status), sent })
  }
})

/** As fast as the broker takes them. Answers when the last round began, in seconds: what was sent later is of it. */
const beat = Effect.fnUntraced(function* ({ ids, rounds }: typeof Beats.Type) {
  const send = yield* beatOf()
  let lastRound = sent
  for (let round = 0; round < rounds; round++) {
    lastRound = sent
    yield* Effect.forEach(ids, send, { concurrency: atOnce, discard: true })
  }
  return { lastRound }
})

const pace = Effect.fnUntraced(function* ({ ids, perSecond, seconds, status }: typeof Paced.Type) {
  const send = yield* beatOf(status)
  const total = Math.round(perSecond * seconds)
  const from = performance.now()
  for (let begun = 0; begun < total; ) {
    const due = Math.min(total, Math.ceil(((performance.now() - from) * perSecond) / 1000))
    const now = Array.from({ length: due - begun }, (_, n) => ids[(begun + n) % ids.length] ?? "")
    begun = due
    yield* Effect.forEach(now, send, { concurrency: atOnce, discard: true })
    yield* Effect.sleep(handful)
  }
  return { perSecond: (total * 1000) / (performance.now() - from) }
})

const topic = await openTopic(broker, conductorTopic, { copied })

answer({
  ready: () => runtime.runPromise(Effect.asVoid(connected)),
  giveKeys: (ids) => runtime.runPromise(giveKeys(Schema.decodeUnknownSync(Ids)(ids))),
  beat: (beats) => runtime.runPromise(beat(Schema.decodeUnknownSync(Beats)(beats))),
  pace: (paced) => runtime.runPromise(pace(Schema.decodeUnknownSync(Paced)(paced))),
  left: topic.left
})
