/** One login for all guests, and what each has of its own all the same. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import * as SharedGuestAccess from "../../../src/layers/broker/SharedGuestAccess.ts"
import { Keyring } from "../../../src/layers/fabric/secure/Keyring.ts"
import { type AgentKind, GuestAccess, type GuestLink } from "../../../src/services/GuestAccess.ts"
import { InstanceId } from "../../../src/services/Ids.ts"
import { memoryKeyring } from "./memoryKeyring.ts"

const ann = InstanceId.make("aaaaaaaa-0000-4000-8000-000000000001")
const bob = InstanceId.make("bbbbbbbb-0000-4000-8000-000000000002")

const shared = SharedGuestAccess.layer({
  guestUrls: [Redacted.make("amqp://all:secret@broker")],
  controlExchange: "trove"
}).pipe(Layer.provideMerge(memoryKeyring))

const granted = Effect.fnUntraced(function* (agent: AgentKind, id: InstanceId) {
  const link = yield* (yield* GuestAccess).grant(id, agent)
  assert(link !== null)
  return link
})

const keyOf = ({ key }: GuestLink) => Redacted.value(key)

describe("a login that all guests share", () => {
  it.effect("is given with a key of the guest's own, that is forgotten with the guest", () =>
    Effect.gen(function* () {
      const [anns, bobs] = [yield* granted("coffer", ann), yield* granted("trove", bob)]
      for (const { controlExchange, urls } of [anns, bobs]) {
        assert.deepEqual(urls.map(Redacted.value), ["amqp://all:secret@broker"])
        assert.strictEqual(controlExchange, "trove")
      }
      assert.deepEqual([anns.protocol, bobs.protocol], ["coffer", "trove"])
      assert.notStrictEqual(keyOf(anns), keyOf(bobs))
      assert.strictEqual(keyOf(yield* granted("coffer", ann)), keyOf(anns))
      yield* (yield* GuestAccess).revoke(ann)
      assert.isTrue(Option.isNone(yield* (yield* Keyring).find(ann)))
      assert.isTrue(Option.isSome(yield* (yield* Keyring).find(bob)))
    }).pipe(Effect.provide(shared))
  )
})
