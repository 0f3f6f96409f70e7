/** Workflows that one release has begun and another finishes. */
import { expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Schema, Scope } from "effect"
import { MessageStorage } from "effect/cluster"
import { Activity, DurableDeferred, Workflow } from "effect/workflow"
import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import * as InstantCrypto from "../kit/InstantCrypto.ts"
import * as Mortal from "../kit/Mortal.ts"
import * as World from "../kit/World.ts"

const surviving = Layer.mergeAll(MessageStorage.MemoryDriver.layer, MemoryStore.layer, InstantCrypto.layer)

const Errand = Workflow.make("Errand", {
  payload: { name: Schema.String },
  success: Schema.Array(Schema.String),
  idempotencyKey: ({ name }) => name
})
const GoOn = DurableDeferred.make("GoOn")

/** A process that runs an errand in these steps, "wait" being none but a wait; without steps, one that knows no errand. */
const start = Effect.fnUntraced(function* (steps: ReadonlyArray<string>, done: Array<string>) {
  const world = yield* Effect.context<Layer.Success<typeof surviving>>()
  const { dying, life } = Mortal.context(world, () => Effect.void)
  const step = (name: string) =>
    Activity.make({
      name,
      success: Schema.String,
      execute: Effect.sync(() => {
        done.push(name)
        return name
      })
    })
  const errand = Errand.toLayer(() =>
    Effect.forEach(steps, (name) => (name === "wait" ? Effect.as(DurableDeferred.await(GoOn), name) : step(name)))
  )
  const knows = steps.length > 0
  const cluster = ControlPlane.clusterOver(ControlPlane.messagesTo(knows ? ["Errand"] : []))
  const scope = yield* Scope.make()
  const built = yield* Layer.buildWithScope(knows ? errand.pipe(Layer.provideMerge(cluster)) : cluster, scope).pipe(
    Effect.provideContext(dying)
  )
  yield* World.passes("200 millis")
  return {
    within: Effect.provideContext(Context.merge(built, world)),
    kill: () => {
      life.over = true
    }
  }
})

const goOn = Effect.gen(function* () {
  const executionId = yield* Errand.executionId({ name: "a" })
  const token = DurableDeferred.tokenFromExecutionId(GoOn, { workflow: Errand, executionId })
  yield* DurableDeferred.succeed(GoOn, { token, value: undefined })
})

const begin = Errand.execute({ name: "a" }, { discard: true })
const outcome = Effect.flatMap(Errand.executionId({ name: "a" }), (id) => Errand.poll(id))

const older = ["one", "wait", "three"]
const newer = ["one", "two", "wait", "three"]

it.effect.each([
  { what: "begun by the older release, does the step that was added where it meets it", first: older, second: newer },
  { what: "begun by the newer release, is finished without the step that was added", first: newer, second: older }
])("a workflow $what", ({ first, second }) =>
  Effect.gen(function* () {
    const done: Array<string> = []
    const before = yield* start(first, done)
    yield* before.within(begin)
    yield* World.passes("2 seconds")
    expect(done).toEqual(first.slice(0, first.indexOf("wait")))
    before.kill()
    const after = yield* start(second, done)
    yield* after.within(goOn)
    yield* World.passes("30 seconds")
    const told = Option.getOrThrow(yield* after.within(outcome))
    expect(told).toMatchObject({ _tag: "Complete", exit: { _tag: "Success", value: second } })
    // Each once: what was done is not done again.
    expect(done.toSorted()).toEqual(["one", "three", "two"])
  }).pipe(Effect.provide(surviving))
)

it.effect("a workflow that only the newer release knows waits for it, however long an older one has its shard", () =>
  Effect.gen(function* () {
    const done: Array<string> = []
    const before = yield* start(newer, done)
    yield* before.within(begin)
    before.kill()
    yield* start([], done)
    yield* World.passes("10 minutes", "1 second")
    const after = yield* start(newer, done)
    yield* World.passes("2 seconds")
    yield* after.within(goOn)
    yield* World.passes("30 seconds")
    const told = Option.getOrThrow(yield* after.within(outcome))
    expect(told).toMatchObject({ _tag: "Complete", exit: { _tag: "Success", value: newer } })
  }).pipe(Effect.provide(surviving))
)
