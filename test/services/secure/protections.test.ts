/** Who understands whom: the control plane, guests of both kinds and hosts, each with what it knows. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import * as ControlPlane from "../../../src/layers/fabric/secure/ControlPlaneProtections.ts"
import * as GuestProtections from "../../../src/layers/fabric/secure/GuestProtections.ts"
import { type GuestKey, Keyring } from "../../../src/layers/fabric/secure/Keyring.ts"
import * as NoProtection from "../../../src/layers/fabric/secure/NoProtection.ts"
import {
  type Opened,
  ProtectionRefused,
  Protections,
  type Request
} from "../../../src/layers/fabric/secure/Protection.ts"
import { inMemory } from "../../../src/layers/fabric/secure/ReplayGuard.ts"
import { conductorTopic } from "../../../src/services/ConductorApi.ts"
import type { DiskError } from "../../../src/services/Disk.ts"
import { guestTopic } from "../../../src/services/GuestApi.ts"
import { guestHostTopic } from "../../../src/services/GuestHostApi.ts"
import { InstanceId } from "../../../src/services/Ids.ts"
import { taskmanagerTopic } from "../../../src/services/TaskmanagerApi.ts"

type Of = Protections["Service"]["of"]

const kek = Redacted.make(new Uint8Array(32).fill(7))
const ann = InstanceId.make("aaaaaaaa-0000-4000-8000-000000000001")
const bob = InstanceId.make("bbbbbbbb-0000-4000-8000-000000000002")
const trove = InstanceId.make("cccccccc-0000-4000-8000-000000000003")
const nobody = InstanceId.make("dddddddd-0000-4000-8000-000000000004")

const keyOf = (letter: string): Redacted.Redacted => Redacted.make(letter.repeat(32))
const keys = new Map<string, GuestKey>([
  [ann, { protocol: "coffer", key: keyOf("a") }],
  [bob, { protocol: "coffer", key: keyOf("b") }],
  [trove, { protocol: "trove", key: keyOf("t") }]
])
const keyring = Layer.mock(Keyring, {
  find: (claimed) => Effect.succeed(Option.fromNullishOr(keys.get(claimed)))
})

/** A process of the control plane. */
const controlPlane = (key = kek) =>
  Effect.provide(
    Effect.map(Protections, ({ of }) => of),
    ControlPlane.layer(key).pipe(Layer.provide(keyring))
  )

const guest = (id: InstanceId, protocol: "coffer" | "trove" = "coffer", key = keys.get(id)?.key ?? keyOf("x")) =>
  Effect.gen(function* () {
    const { of } = yield* GuestProtections.makeGuest(id, { protocol, key }, yield* inMemory)
    return of
  })

const host = (name: string, key = ControlPlane.hostKey(kek, name)) =>
  Effect.gen(function* () {
    const { of } = yield* GuestProtections.makeHost(name, key, yield* inMemory)
    return of
  })

let ids = 0
const request = (): Request => ({
  method: "restart",
  args: { instance_id: ann, secret: "hidden" },
  context: { request_id: "req-1" },
  id: `id-${++ids}`
})

/** What the sender said, and who it is. */
const said = ({ unhandled: _, ...opened }: Opened) => opened

/** The request as the receiver has it, after a reply has come back as well. */
const exchange = (from: Of, to: Of, topic: string) =>
  Effect.gen(function* () {
    const [sender, receiver] = [yield* from(topic), yield* to(topic)]
    const meant = request()
    const sealed = yield* sender.sealRequest(meant)
    assert.notInclude(JSON.stringify(sealed), "hidden")
    const opened = yield* receiver.openRequest(sealed)
    const reply = { method: meant.method, id: meant.id, result: { done: true }, failure: null }
    assert.deepEqual(yield* sender.openReply(yield* receiver.sealReply(reply)), reply)
    return { meant, opened: said(opened) }
  })

/** Tells something once, and answers who it is proven to be from. */
const told = (from: Of, to: Of, topic: string) =>
  Effect.gen(function* () {
    const meant = request()
    const opened = yield* (yield* to(topic)).openRequest(yield* (yield* from(topic)).sealRequest(meant))
    assert.deepEqual(said(opened), { ...meant, sender: opened.sender })
    return opened.sender
  })

const isRefused = Effect.fnUntraced(function* <A>(effect: Effect.Effect<A, ProtectionRefused | DiskError>) {
  assert.instanceOf(yield* Effect.flip(effect), ProtectionRefused)
})

describe("the protections of all parties", () => {
  it.effect("let the control plane ask guests of both kinds and hosts, and understand the answers", () =>
    Effect.gen(function* () {
      const control = yield* controlPlane()
      for (const [party, topic] of [
        [yield* guest(ann), guestTopic(ann)],
        [yield* guest(trove, "trove"), guestTopic(trove)],
        [yield* host("rack-1"), guestHostTopic("rack-1")]
      ] as const) {
        const { meant, opened } = yield* exchange(control, party, topic)
        assert.deepEqual(opened, { ...meant, sender: null })
      }
    })
  )

  it.effect("tell the conductor who it is that reports", () =>
    Effect.gen(function* () {
      const conductor = yield* controlPlane()
      assert.strictEqual(yield* told(yield* guest(ann), conductor, conductorTopic), ann)
      assert.strictEqual(yield* told(yield* guest(trove, "trove"), conductor, conductorTopic), trove)
      assert.strictEqual(yield* told(yield* host("rack-1"), conductor, conductorTopic), "host:rack-1")
    })
  )

  it.effect("let processes of one control plane tell the taskmanager, and nobody else", () =>
    Effect.gen(function* () {
      const [api, taskmanager] = [yield* controlPlane(), yield* controlPlane()]
      assert.isNull(yield* told(api, taskmanager, taskmanagerTopic))
      const another = yield* controlPlane(Redacted.make(new Uint8Array(32).fill(8)))
      yield* isRefused(told(another, taskmanager, taskmanagerTopic))
      yield* isRefused((yield* guest(ann))(taskmanagerTopic))
    })
  )

  it.effect("let nobody speak for another: not with his own key, nor with a made-up one", () =>
    Effect.gen(function* () {
      const conductor = yield* controlPlane()
      for (const liar of [
        yield* guest(ann, "coffer", keyOf("b")),
        yield* guest(trove, "trove", keyOf("a")),
        yield* guest(nobody),
        yield* guest(nobody, "trove"),
        yield* host("rack-1", ControlPlane.hostKey(kek, "rack-2")),
        yield* host("control", kek),
        yield* host("../rack-1")
      ]) {
        yield* isRefused(told(liar, conductor, conductorTopic))
      }
    })
  )

  it.effect("take from a guest the form that it was given, and no weaker one", () =>
    Effect.gen(function* () {
      const conductor = yield* controlPlane()
      // It has the right key, and speaks as the other kind does.
      yield* isRefused(told(yield* guest(ann, "trove"), conductor, conductorTopic))
      yield* isRefused(told(yield* guest(trove, "coffer"), conductor, conductorTopic))
      yield* isRefused(exchange(conductor, yield* guest(ann, "trove"), guestTopic(ann)))
      yield* isRefused(exchange(conductor, yield* guest(trove, "coffer"), guestTopic(trove)))
    })
  )

  it.effect("take nothing in clear text", () =>
    Effect.gen(function* () {
      const control = yield* controlPlane()
      for (const [of, topic] of [
        [control, conductorTopic],
        [control, taskmanagerTopic],
        [yield* guest(ann), guestTopic(ann)],
        [yield* guest(trove, "trove"), guestTopic(trove)],
        [yield* host("rack-1"), guestHostTopic("rack-1")]
      ] as const) {
        const { openRequest } = yield* of(topic)
        yield* isRefused(openRequest(request()))
        yield* isRefused(openRequest({ ...request(), args: {}, context: {} }))
        const named = { ...request(), context: { "csz-instance-id": trove, context: "{}" } }
        yield* isRefused(openRequest(named))
      }
    })
  )

  it.effect("take a message once: the taskmanager, and a guest after a new start as well", () =>
    Effect.gen(function* () {
      const control = yield* controlPlane()
      const floor = yield* inMemory
      const start = GuestProtections.makeGuest(ann, { protocol: "coffer", key: keyOf("a") }, floor)
      const asked = yield* (yield* control(guestTopic(ann))).sealRequest(request())
      yield* (yield* (yield* start).of(guestTopic(ann))).openRequest(asked)
      yield* isRefused((yield* (yield* start).of(guestTopic(ann))).openRequest(asked))

      const sealed = yield* (yield* control(taskmanagerTopic)).sealRequest(request())
      yield* (yield* control(taskmanagerTopic)).openRequest(sealed)
      yield* isRefused((yield* control(taskmanagerTopic)).openRequest(sealed))
    })
  )

  it.effect("know no key for guests that have none, and for topics of nobody", () =>
    Effect.gen(function* () {
      const control = yield* controlPlane()
      for (const topic of [
        guestTopic(nobody),
        "guestagent.",
        "guesthost.",
        "guesthost.a b",
        "taskmanager.x",
        "",
        "x"
      ]) {
        yield* isRefused(control(topic))
      }
      const party = yield* guest(ann)
      for (const topic of [guestTopic(bob), guestHostTopic("rack-1"), taskmanagerTopic]) yield* isRefused(party(topic))
    })
  )

  it.effect("answer no report, and let nobody use a topic the wrong way round", () =>
    Effect.gen(function* () {
      const control = yield* controlPlane()
      const party = yield* guest(ann)
      const conductor = yield* control(conductorTopic)
      const opened = yield* conductor.openRequest(yield* (yield* party(conductorTopic)).sealRequest(request()))
      const reply = { method: opened.method, id: opened.id, result: "hidden", failure: "hidden" }
      assert.notInclude(JSON.stringify(yield* conductor.sealReply(reply)), "hidden")
      yield* isRefused((yield* party(conductorTopic)).openReply(reply))
      yield* isRefused((yield* party(conductorTopic)).openRequest(request()))
      yield* isRefused((yield* party(guestTopic(ann))).openReply(reply))
      yield* isRefused((yield* control(guestTopic(ann))).openRequest(request()))
    })
  )

  it("give each host a key of its own, from which the first cannot be told", () => {
    const bytes = (name: string) => Buffer.from(Redacted.value(ControlPlane.hostKey(kek, name))).toString("hex")
    assert.strictEqual(bytes("rack-1"), bytes("rack-1"))
    assert.strictEqual(new Set(["rack-1", "rack-2", "Rack-1"].map(bytes)).size, 3)
    assert.lengthOf(bytes("rack-1"), 64)
    assert.notInclude(String(ControlPlane.hostKey(kek, "rack-1")), bytes("rack-1"))
  })

  it.effect("leave everything as it is where no protection was chosen", () =>
    Effect.gen(function* () {
      const { of } = yield* Protections
      const plain = yield* of("anything")
      const message = request()
      assert.deepEqual(yield* plain.sealRequest(message), message)
      assert.deepEqual(yield* plain.openRequest(message), { ...message, sender: null })
      const reply = { method: "m", id: "1", result: 1, failure: null }
      assert.deepEqual(yield* plain.sealReply(reply), reply)
      assert.deepEqual(yield* plain.openReply(reply), reply)
    }).pipe(Effect.provide(NoProtection.layer))
  )
})
