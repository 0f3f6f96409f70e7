/** What every fabric must do, whatever carries the messages. */
import { expect, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, Redacted, Ref, Schema, Scope } from "effect"
import { RpcGroup } from "effect/rpc"
import { call, cast } from "../../src/services/Contract.ts"
import { Fabric } from "../../src/services/Fabric.ts"

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", { why: Schema.String }) {}

const Greeter = RpcGroup.make(
  cast("note", { n: Schema.Int }),
  cast("stumble", {}),
  call("greet", { name: Schema.String }, { success: Schema.String, error: Refusal, timeout: "2 seconds" }),
  call(
    "echo",
    { secret: Schema.RedactedFromValue(Schema.String), at: Schema.Date },
    {
      success: Schema.Struct({ secret: Schema.RedactedFromValue(Schema.String), at: Schema.Date }),
      timeout: "2 seconds"
    }
  ),
  call("crash", {}, { timeout: "2 seconds" }),
  call("dawdle", {}, { timeout: "50 millis" }),
  call("span", {}, { success: Schema.String, timeout: "2 seconds" })
)

let topics = 0
const aTopic = () => `greeter.${++topics}`

/** A server on a topic of its own, the notes it took, and a gate that holds notes back while it is shut. */
const greeter = Effect.gen(function* () {
  const fabric = yield* Fabric
  const topic = aTopic()
  const notes = yield* Ref.make<ReadonlyArray<number>>([])
  const gate = yield* Deferred.make<void>()
  yield* fabric.serve(topic, Greeter, {
    note: ({ n }) =>
      Effect.gen(function* () {
        if (n < 0) yield* Deferred.await(gate)
        yield* Ref.update(notes, (notes) => [...notes, n])
      }),
    stumble: () => Effect.die("stumbled"),
    greet: ({ name }) => (name === "" ? Effect.fail(new Refusal({ why: "no name" })) : Effect.succeed(`hello ${name}`)),
    echo: (payload) => Effect.succeed(payload),
    crash: () => Effect.die("crashed"),
    dawdle: () => Effect.sleep("1 minute"),
    span: () => Effect.orDie(Effect.map(Effect.currentSpan, ({ traceId }) => traceId))
  })
  const client = fabric.client(topic, Greeter)
  const noted = (count: number) =>
    Ref.get(notes).pipe(Effect.repeat({ until: (notes) => notes.length >= count }), Effect.timeout("5 seconds"))
  return { client, notes, gate, noted }
})

export const fabricConformance = (name: string, fabric: Layer.Layer<Fabric, unknown>) =>
  layer(fabric, { excludeTestServices: true })(name, (it) => {
    it.effect("answers a call, with what the contract says", () =>
      Effect.gen(function* () {
        const { client } = yield* greeter
        expect(yield* client.greet({ name: "ann" })).toBe("hello ann")
        const at = new Date(5)
        const echoed = yield* client.echo({ secret: Redacted.make("pw"), at })
        expect(echoed.at).toEqual(at)
        expect(Redacted.value(echoed.secret)).toBe("pw")
        expect(String(echoed.secret)).not.toContain("pw")
      })
    )

    it.effect("gives a refusal back as the error that it is", () =>
      Effect.gen(function* () {
        const { client } = yield* greeter
        expect(yield* Effect.flip(client.greet({ name: "" }))).toEqual(new Refusal({ why: "no name" }))
      })
    )

    it.effect("delivers casts in the order they were sent", () =>
      Effect.gen(function* () {
        const { client, noted } = yield* greeter
        for (let n = 0; n < 50; n++) yield* client.note({ n })
        expect(yield* noted(50)).toEqual(Array.from({ length: 50 }, (_, n) => n))
      })
    )

    it.effect("goes on after a handler's bug, and tells a caller of it", () =>
      Effect.gen(function* () {
        const { client, noted } = yield* greeter
        yield* client.stumble({})
        yield* client.note({ n: 1 })
        expect(yield* noted(1)).toEqual([1])
        expect(yield* Effect.flip(client.crash({}))).toMatchObject({ _tag: "FabricError", reason: "Crashed" })
      })
    )

    it.effect("answers calls while a cast is being handled", () =>
      Effect.gen(function* () {
        const { client, gate, noted } = yield* greeter
        yield* client.note({ n: -1 })
        expect(yield* client.greet({ name: "bob" })).toBe("hello bob")
        yield* Deferred.succeed(gate, undefined)
        expect(yield* noted(1)).toEqual([-1])
      })
    )

    it.effect("refuses casts when the server's mailbox is full, and takes them again after", () =>
      Effect.gen(function* () {
        const { client, gate, noted } = yield* greeter
        yield* client.note({ n: -1 })
        let sent = 1
        const refused = yield* Effect.gen(function* () {
          while (true) {
            yield* client.note({ n: sent })
            sent++
          }
        }).pipe(Effect.flip)
        expect(refused.reason).toBe("Overloaded")
        yield* Deferred.succeed(gate, undefined)
        expect((yield* noted(sent)).length).toBe(sent)
        yield* client.note({ n: 0 })
      })
    )

    it.effect("fails a call that is not answered in time", () =>
      Effect.gen(function* () {
        const { client } = yield* greeter
        expect(yield* Effect.flip(client.dawdle({}))).toMatchObject({ reason: "Timeout", method: "dawdle" })
      })
    )

    it.effect("says so when nobody serves the topic, or no longer", () =>
      Effect.gen(function* () {
        const fabric = yield* Fabric
        const nobody = fabric.client(aTopic(), Greeter)
        expect(yield* Effect.flip(nobody.greet({ name: "ann" }))).toMatchObject({ reason: "Unreachable" })
        expect(yield* Effect.flip(nobody.note({ n: 1 }))).toMatchObject({ reason: "Unreachable" })

        const scope = yield* Scope.make()
        const { client } = yield* Scope.provide(greeter, scope)
        const waiting = yield* Effect.forkChild(Effect.flip(client.dawdle({})))
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        expect(["Unreachable", "Timeout"]).toContain((yield* Fiber.join(waiting)).reason)
        // A broker keeps the topic for a server that comes back.
        const refused = yield* Effect.flip(client.greet({ name: "ann" }))
        expect(refused).toMatchObject({ reason: expect.stringMatching(/^(Unreachable|Timeout)$/) })
      })
    )

    it.effect("carries the sender's trace", () =>
      Effect.gen(function* () {
        const { client } = yield* greeter
        const [here, there] = yield* Effect.gen(function* () {
          const { traceId } = yield* Effect.orDie(Effect.currentSpan)
          return [traceId, yield* client.span({})] as const
        }).pipe(Effect.withSpan("sender"))
        expect(there).toBe(here)
      })
    )
  })
