/** Ours and oslo.messaging over one broker, each calling the other: what is said, what is refused, and what fails. */
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Layer, Option, Ref } from "effect"
import { eventually, quiet } from "../layers/rabbitFixture.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { missingOslo, type OsloFailure, type PeerEnded } from "./oslo/peers.ts"
import { Hurried, Misled, Newer, Sides, sides, TheirFailure, Theirs, Understood } from "./osloSides.ts"

const missing = missingBroker ?? missingOslo
const skipped = missing === null ? "" : ` (skipped: ${missing})`

/** What our servers serve. */
const topic = "ours"

/** How a request failed; one that does not fail fails the test. */
const failureOf = (request: Effect.Effect<unknown, OsloFailure | PeerEnded>) =>
  Effect.flatMap(Effect.flip(request), (failure) =>
    failure._tag === "OsloFailure" ? Effect.succeed(failure) : Effect.die(failure)
  )

const values: ReadonlyArray<readonly [string, unknown]> = [
  ["a text of many scripts", 'żółć 日本 🚀 \u0000 " \\ \n'],
  ["numbers", [0, -1, 1.5, 1e300, 2 ** 53 - 1]],
  ["truth", [true, false, null]],
  ["what is nested", { a: [{ "b c": [[]] }], "": {} }]
]

describe.skipIf(missing !== null)(`beside oslo.messaging${skipped}`, { timeout: 120_000 }, () => {
  layer(Layer.merge(TestBroker.layer(), quiet), { excludeTestServices: true, timeout: 120_000 })((it) => {
    for (const queues of ["durable", "transient"] as const) {
      it.layer(sides(queues), { timeout: 120_000 })(`${queues} queues`, (it) => {
        describe("our client, their server", () => {
          it.effect("casts, and is heard in its order", () =>
            Effect.gen(function* () {
              const { ours, theirs } = yield* Sides
              const client = ours.client("theirs", Theirs)
              for (const n of [1, 2, 3]) yield* client.record({ n })
              for (const n of [1, 2, 3]) assert.deepStrictEqual(yield* theirs.server.next, { event: "record", n })
            })
          )

          it.effect("calls, and is answered, also with nothing", () =>
            Effect.gen(function* () {
              const { ours } = yield* Sides
              const client = ours.client("theirs", Theirs)
              assert.strictEqual(yield* client.add({ a: 2, b: 40 }), 42)
              assert.isUndefined(yield* client.none({}))
            })
          )

          for (const [what, value] of values) {
            it.effect(`hears ${what} as it was sent`, () =>
              Effect.gen(function* () {
                const { ours } = yield* Sides
                assert.deepStrictEqual(yield* ours.client("theirs", Theirs).echo({ value }), value)
              })
            )
          }

          it.effect("sends a context that oslo understands", () =>
            Effect.gen(function* () {
              const { ours } = yield* Sides
              const context = yield* ours.client("theirs", Theirs).context({})
              assert.deepInclude(context, { user: null, project_id: null, roles: [], is_admin: false })
              assert.match(String(context["request_id"]), /^req-[0-9a-f-]{36}$/)
            })
          )

          it.effect("is told of an exception, which a contract may know", () =>
            Effect.gen(function* () {
              const { ours } = yield* Sides
              const unknown = yield* Effect.flip(ours.client("theirs", Theirs).raise_value_error({ text: "too odd" }))
              assert.deepInclude(unknown, { reason: "Crashed", detail: "ValueError: too odd" })
              const known = yield* Effect.flip(ours.client("theirs", Understood).raise_value_error({ text: "too odd" }))
              assert.deepStrictEqual(known, new TheirFailure({ said: "too odd" }))
            })
          )

          it.effect("learns that the server has no such method, an older version, or other arguments", () =>
            Effect.gen(function* () {
              const { ours } = yield* Sides
              const failures = yield* Effect.all([
                Effect.flip(ours.client("theirs", Theirs).no_such_method({})),
                Effect.flip(ours.client("theirs", Newer).add({ a: 1, b: 2 })),
                Effect.flip(ours.client("theirs", Misled).add({ a: 1 }))
              ])
              assert.deepStrictEqual(
                failures.map(({ reason }) => reason),
                ["Undecodable", "Undecodable", "Undecodable"]
              )
              assert.match(failures[0].detail, /does not support RPC method no_such_method/)
              assert.match(failures[1].detail, /does not support RPC version 1\.4/)
              assert.match(failures[2].detail, /missing 1 required positional argument: 'b'/)
            })
          )
        })

        describe("their client, our server", () => {
          it.effect("calls, and is answered, also with nothing", () =>
            Effect.gen(function* () {
              const { request } = (yield* Sides).theirs.client
              assert.strictEqual(
                yield* request({ kind: "call", topic, method: "greet", args: { name: "żółć 🚀" }, timeout: 10 }),
                "hi żółć 🚀"
              )
              assert.isNull(yield* request({ kind: "call", topic, method: "nothing", timeout: 10 }))
            })
          )

          it.effect("casts to one of the servers, to a certain one, and to all", () =>
            Effect.gen(function* () {
              const { notes, theirs } = yield* Sides
              const note = (n: number) => ({ topic, method: "note", args: { n }, version: "1.2" })
              yield* theirs.client.request({ kind: "cast", ...note(1) })
              yield* theirs.client.request({ kind: "cast", server: "two", ...note(2) })
              yield* theirs.client.request({ kind: "fanout", ...note(3) })
              const taken = Ref.get(notes)
              yield* eventually(
                "all are taken",
                Effect.map(taken, (notes) => notes.length >= 4)
              )
              const by = (wanted: number) =>
                Effect.map(taken, (notes) => notes.filter(({ n }) => n === wanted).map(({ server }) => server))
              assert.lengthOf(yield* by(1), 1)
              assert.deepStrictEqual(yield* by(2), ["two"])
              assert.sameMembers(yield* by(3), ["one", "two"])
            })
          )

          it.effect(
            "gets a contract's error with its type and message, and of a bug no more than that there was one",
            () =>
              Effect.gen(function* () {
                const { request } = (yield* Sides).theirs.client
                const refusal = yield* failureOf(
                  request({ kind: "call", topic, method: "greet", args: { name: "" }, timeout: 10 })
                )
                assert.deepInclude(refusal, { class: "RemoteError", exc_type: "Refusal", value: "refused: no name" })
                const crash = yield* failureOf(request({ kind: "call", topic, method: "crash", timeout: 10 }))
                assert.deepInclude(crash, { class: "RemoteError", exc_type: "Crashed" })
                assert.notInclude(JSON.stringify(crash), "a secret of the server")
              })
          )

          it.effect(
            "learns that there is no such method, that its version is too new, or its arguments are others",
            () =>
              Effect.gen(function* () {
                const { request } = (yield* Sides).theirs.client
                const failing = (method: string, version: string, args = {}) =>
                  failureOf(request({ kind: "call", topic, method, version, args, timeout: 10 }))
                const unknown = yield* failing("nosuch", "1.0")
                assert.deepInclude(unknown, {
                  exc_type: "NoSuchMethod",
                  value: "Endpoint does not support RPC method nosuch"
                })
                const newer = yield* failing("greet", "1.3", { name: "ann" })
                assert.strictEqual(newer.exc_type, "UnsupportedVersion")
                assert.strictEqual(newer.value, "Endpoint does not support RPC version 1.3. Attempted method: greet")
                assert.strictEqual((yield* failing("greet", "2.0", { name: "ann" })).exc_type, "UnsupportedVersion")
                const other = yield* failing("greet", "1.0", { who: "ann" })
                assert.strictEqual(other.class, "TypeError")
                assert.match(other.message, /name/)
              })
          )
        })

        // The kind of the queues makes no difference to it, and it takes seconds.
        if (queues === "durable") {
          it.effect("our client gives up when its time is over", () =>
            Effect.gen(function* () {
              const { ours, theirs } = yield* Sides
              const failure = yield* Effect.flip(ours.client("theirs", Hurried).slow({ seconds: 0.6 }))
              assert.strictEqual(failure.reason, "Timeout")
              assert.deepStrictEqual(yield* theirs.server.next, { event: "slow", seconds: 0.6 })
            })
          )

          it.effect("our client waits for as long as the server gives signs of life", () =>
            Effect.gen(function* () {
              const { ours, theirs } = yield* Sides
              assert.strictEqual(yield* ours.client("theirs", Theirs).slow({ seconds: 3 }), 3)
              assert.deepStrictEqual(yield* theirs.server.next, { event: "slow", seconds: 3 })
            })
          )

          it.effect("our client gives up soon when the server is killed", () =>
            Effect.gen(function* () {
              const { ours, startServer } = yield* Sides
              const server = yield* startServer("mortal")
              const calling = yield* Effect.forkChild(Effect.flip(ours.client("mortal", Theirs).slow({ seconds: 19 })))
              assert.deepStrictEqual(yield* server.next, { event: "slow", seconds: 19 })
              yield* server.kill
              const killedAt = yield* Clock.currentTimeMillis
              const failure = yield* Fiber.join(calling)
              assert.deepInclude(failure, { reason: "Timeout", detail: "the server gives no sign of life" })
              assert.isBelow((yield* Clock.currentTimeMillis) - killedAt, 5000)
            })
          )

          it.effect("their client gives up when its time is over, and waits longer while it gets signs of life", () =>
            Effect.gen(function* () {
              const { gate, theirs } = yield* Sides
              const wait = { kind: "call", topic, method: "wait" } as const
              assert.strictEqual(
                (yield* failureOf(theirs.client.request({ ...wait, timeout: 1 }))).class,
                "MessagingTimeout"
              )
              const waiting = yield* Effect.forkChild(
                theirs.client.request({ ...wait, timeout: 20, call_monitor_timeout: 1 })
              )
              // More than its monitor waits for a sign of life.
              assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.await(waiting), "2500 millis")))
              yield* Deferred.succeed(yield* Ref.get(gate), undefined)
              assert.isNull(yield* Fiber.join(waiting))
            })
          )
        }
      })
    }
  })
})
