/** A broker that has lost its data lets its guests in again by itself, with the links that they were given. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Option, Queue, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { upkeepInterval } from "../../src/layers/broker/RabbitGuestAccess.ts"
import * as Restoration from "../../src/layers/broker/Restoration.ts"
import { GuestAccess, GuestAccessError } from "../../src/services/GuestAccess.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { memoryKeyring } from "../services/secure/memoryKeyring.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import {
  type Attempt,
  administer,
  anId,
  attempt,
  connected,
  drained,
  granted,
  guestAccess,
  urlOf
} from "./guestAccessFixture.ts"

const named = (name: string) => `${name}${missingBroker === null ? "" : ` (skipped: ${missingBroker})`}`

const admin = Effect.flatMap(TestBroker, ({ url }) => connected(url))

const publish =
  (exchange: string, key: string, text: string): Attempt =>
  (channel) =>
    channel.publish(exchange, key, Buffer.from(text))

/** What an operator is warned of. */
const warnings = Effect.map(Queue.unbounded<string>(), (lines) => ({
  lines,
  logger: Logger.layer([
    Logger.make<unknown, void>(({ logLevel, message }) => {
      if (logLevel === "Warn") Queue.offerUnsafe(lines, String(message))
    })
  ])
}))

const mark = "coffer_guests_complete:/:trove"

/** Nothing is left to be done at the start. */
const settled = Effect.flatMap(TestBroker, ({ management }) => management("/global-parameters")).pipe(
  Effect.repeat({ until: (parameters) => JSON.stringify(parameters).includes(mark), times: 1000 })
)

/** All that a broker keeps of a virtual host, and whom it knows. */
const wipe = Effect.fnUntraced(function* (guests: ReadonlyArray<InstanceId>) {
  const { url } = yield* TestBroker
  for (const id of guests) yield* administer("DELETE", `/users/guest-${id}`)
  yield* administer("DELETE", `/global-parameters/${encodeURIComponent(mark)}`)
  yield* administer("DELETE", "/vhosts/%2F")
  yield* administer("PUT", "/vhosts/%2F")
  const everything = { configure: ".*", write: ".*", read: ".*" }
  yield* administer("PUT", `/permissions/%2F/${new URL(url).username}`, everything)
})

/** Somebody removes an exchange, and what is made for another guest or host makes it again. */
const loseExchange = Effect.gen(function* () {
  const control = yield* admin
  assert.isNull(yield* attempt(control, (channel) => channel.deleteExchange("trove")))
  yield* granted("coffer")
})

const world = memoryKeyring.pipe(Layer.provideMerge(TestBroker.layer()))

describe.skipIf(missingBroker !== null)(named("a broker that lost its data"), { timeout: 120_000 }, () => {
  layer(world, { excludeTestServices: true, timeout: 60_000 })((it) => {
    const losses = {
      "all of it": wipe,
      "an exchange that another guest's access made again": () => loseExchange
    }
    for (const [what, lose] of Object.entries(losses)) {
      it.effect(`gives all guests their access again, and says so once, when it lost ${what}`, () =>
        Effect.gen(function* () {
          const { lines, logger } = yield* warnings
          const access = Context.get(yield* Layer.build(Layer.provide(guestAccess(), logger)), GuestAccess)
          yield* settled
          const guests = Effect.gen(function* () {
            const [ann, bob] = [yield* granted("coffer"), yield* granted("trove")]
            yield* lose([ann.id, bob.id])
            return [ann, bob] as const
          })
          const [ann, bob] = yield* Effect.provideService(guests, GuestAccess, access)
          yield* TestClock.adjust(upkeepInterval)
          const line = yield* Queue.take(lines)
          assert.match(line, /all \d have it again.*"coffer host add"/)

          const control = yield* admin
          const guest = yield* connected(urlOf(ann.link))
          assert.isNull(yield* attempt(guest, publish(ann.link.controlExchange, "trove-conductor", "I am well")))
          assert.isNull(yield* attempt(control, publish("trove", ann.topic, "restart")))
          assert.deepEqual(yield* drained(guest, ann.topic), ["restart"])
          const agent = yield* connected(urlOf(bob.link))
          assert.isNull(yield* attempt(agent, publish(bob.link.controlExchange, "trove-conductor", "me too")))
          assert.isNull(yield* attempt(control, publish("trove", bob.topic, "restart")))
          assert.deepEqual(yield* drained(agent, bob.topic), ["restart"])
          assert.deepEqual(yield* drained(control, "trove-conductor"), ["I am well", "me too"])
          const policies = yield* Effect.flatMap(TestBroker, ({ management }) => management("/policies/%2F"))
          assert.lengthOf(JSON.stringify(policies).match(/"max-length-bytes"/g) ?? [], 3)
          assert.strictEqual(yield* Queue.size(lines), 0)
        }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
      )
    }
  })
})

describe("guests' access that is given again", () => {
  const known = { protocol: "coffer" as const, key: Redacted.make("k") }

  /** The guests that are known at each question, of which `refused` cannot be served. */
  const restored = Effect.fnUntraced(function* (
    all: ReadonlyArray<ReadonlyArray<InstanceId>>,
    refused: Partial<Record<string, "broker" | "store">> = {}
  ) {
    const done: Array<string> = []
    const note = (what: string) => Effect.sync(() => void done.push(what))
    let asked = 0
    yield* Restoration.make({
      keyring: {
        ensure: () => Effect.die("a key is drawn"),
        find: () => Effect.succeed(Option.some(known)),
        forget: () => Effect.void,
        all: Effect.sync(() => (all[asked++] ?? []).map((instance) => ({ instance, protocol: "coffer" })))
      },
      isNeeded: Effect.succeed(true),
      before: note("before"),
      give: (id) =>
        refused[id] === "broker"
          ? Effect.fail(new GuestAccessError({ detail: "no" }))
          : refused[id] === "store"
            ? Effect.die("no such key")
            : note(`given ${id}`),
      takeBack: (id) => note(`taken from ${id}`),
      after: note("complete")
    })
    return done
  })

  it.effect("is not kept by a guest that was deleted meanwhile", () =>
    Effect.gen(function* () {
      const [ann, bob] = [anId(), anId()]
      const done = yield* restored([[ann, bob], [bob]])
      assert.deepEqual(done, ["before", `given ${ann}`, `given ${bob}`, `taken from ${ann}`, "complete"])
    })
  )

  it.effect("is complete only when every guest has it, and one that cannot have it keeps no other out", () =>
    Effect.gen(function* () {
      const [ann, bob, eve] = [anId(), anId(), anId()]
      const all = [ann, bob, eve]
      const { lines, logger } = yield* warnings
      const done = yield* Effect.provide(restored([all, all], { [ann]: "broker", [bob]: "store" }), logger)
      assert.deepEqual(done, ["before", `given ${eve}`])
      assert.include(
        yield* Queue.takeAll(lines).pipe(Effect.map((said) => said.join())),
        "1 have it again, and 2 do not"
      )
    })
  )
})
