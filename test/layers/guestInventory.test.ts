/** What an audit sees of guests at a real broker, and what it gives back and makes again there. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as RabbitGuestAccess from "../../src/layers/broker/RabbitGuestAccess.ts"
import { Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import { GuestAccess } from "../../src/services/GuestAccess.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { AccessInventory } from "../../src/services/Inventories.ts"
import { memoryKeyring } from "../services/secure/memoryKeyring.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import {
  administer,
  anId,
  attempt,
  aVhost,
  connected,
  drained,
  granted,
  guestAccess,
  optionsAt,
  urlOf
} from "./guestAccessFixture.ts"

const named = `guests at RabbitMQ, as an audit sees them${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`

const world = guestAccess().pipe(Layer.provideMerge(memoryKeyring), Layer.provideMerge(TestBroker.layer()))

/** What of this guest is there. */
const heldOf = Effect.fnUntraced(function* (id: InstanceId) {
  const { found } = yield* (yield* AccessInventory).all
  return found.flatMap(({ instance, resource }) => (instance === id ? [resource] : [])).toSorted()
})

const queuesUrl = (name: string) => `/queues/%2F/${name}`

describe.skipIf(missingBroker !== null)(named, { timeout: 120_000 }, () => {
  layer(world, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.effect("have a login, a queue and a key, whichever agent they are, until they are taken back", () =>
      Effect.gen(function* () {
        for (const agent of ["coffer", "trove"] as const) {
          const { id, topic } = yield* granted(agent)
          for (const more of [`${topic}.${id}`, `${topic}_fanout_0123456789abcdef0123456789abcdef`]) {
            if (agent === "trove") yield* administer("PUT", queuesUrl(more), { durable: true })
          }
          assert.deepEqual(yield* heldOf(id), ["key", "login", "queue"])
          yield* (yield* GuestAccess).revoke(id)
          assert.deepEqual(yield* heldOf(id), [])
        }
      })
    )

    it.effect("are found though nobody has a key for them, and go like any other", () =>
      Effect.gen(function* () {
        const { id } = yield* granted("coffer")
        yield* (yield* Keyring).forget(id)
        assert.deepEqual(yield* heldOf(id), ["login", "queue"])
        yield* (yield* GuestAccess).revoke(id)
        assert.deepEqual(yield* heldOf(id), [])
      })
    )

    it.effect("are not who bears another name, or has no right in this virtual host", () =>
      Effect.gen(function* () {
        const before = (yield* (yield* AccessInventory).all).found.length
        const foreign = anId()
        yield* aVhost("other")
        const everything = { configure: ".*", write: ".*", read: ".*" }
        for (const user of ["guest-ann", "host-db1", "guest-", `guest-${anId()}-x`, `my-guest-${anId()}`]) {
          yield* administer("PUT", `/users/${user}`, { password: "p", tags: "" })
          yield* administer("PUT", `/permissions/%2F/${user}`, everything)
        }
        yield* administer("PUT", `/users/guest-${foreign}`, { password: "p", tags: "" })
        yield* administer("PUT", `/permissions/other/guest-${foreign}`, everything)
        for (const queue of ["guestagent.ann", `guestagent.${anId()}x`, `guestagentx${anId()}`, "orders"]) {
          yield* administer("PUT", queuesUrl(queue), { durable: true })
        }
        assert.lengthOf((yield* (yield* AccessInventory).all).found, before)
      })
    )

    it.effect("are found also where there are more queues than one page has", () =>
      Effect.gen(function* () {
        const ids = Array.from({ length: 501 }, anId)
        yield* Effect.forEach(ids, (id) => administer("PUT", queuesUrl(`guestagent.${id}`), { durable: true }), {
          concurrency: 32
        })
        const { found } = yield* (yield* AccessInventory).all
        const queued = new Set(found.flatMap(({ instance, resource }) => (resource === "queue" ? [instance] : [])))
        assert.isTrue(ids.every((id) => queued.has(id)))
      })
    )

    it.effect("are let in again with the link that they have, if they have a key", () =>
      Effect.gen(function* () {
        const { id, link, topic } = yield* granted("coffer")
        yield* administer("DELETE", `/users/guest-${id}`)
        yield* administer("DELETE", queuesUrl(topic))
        assert.deepEqual(yield* heldOf(id), ["key"])
        assert.isTrue(yield* (yield* AccessInventory).restore(id))
        assert.deepEqual(yield* heldOf(id), ["key", "login", "queue"])
        const { url } = yield* TestBroker
        const control = yield* connected(url)
        assert.isNull(yield* attempt(control, (channel) => channel.publish("trove", topic, Buffer.from("restart"))))
        assert.deepEqual(yield* drained(yield* connected(urlOf(link)), topic), ["restart"])

        const nobody = anId()
        assert.isFalse(yield* (yield* AccessInventory).restore(nobody))
        assert.deepEqual(yield* heldOf(nobody), [])
      }).pipe(Effect.scoped)
    )

    it.effect("are looked at by who keeps nothing up, and nothing is made by that", () =>
      Effect.gen(function* () {
        yield* aVhost("fresh")
        const options = { ...(yield* optionsAt), vhost: "fresh" }
        const looking = RabbitGuestAccess.layerWithoutUpkeep(options).pipe(Layer.provide(FetchHttpClient.layer))
        const { all } = yield* Effect.provide(AccessInventory, looking)
        assert.deepEqual((yield* all).covers, ["login", "queue", "key"])
        const { management } = yield* TestBroker
        const made = JSON.stringify([yield* management("/queues/fresh"), yield* management("/policies/fresh")])
        assert.strictEqual(made, "[[],[]]")
        assert.notInclude(JSON.stringify(yield* management("/exchanges/fresh")), "trove")
      }).pipe(Effect.scoped)
    )
  })
})
