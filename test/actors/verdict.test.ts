/** What a build is told of its guest, and when. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { MessageStorage } from "effect/cluster"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

/** The engine's messages; of each verdict that is told to a build it is kept whether the build waited for it. */
const watched = (told: Array<boolean>) =>
  Layer.effect(
    MessageStorage.MemoryDriver,
    Effect.map(MessageStorage.MemoryDriver, (driver) => {
      const waits = (executionId: string) =>
        [...driver.requests.values()].some(
          ({ envelope, replies }) =>
            envelope._tag === "Request" &&
            envelope.tag === "run" &&
            envelope.address.entityId === executionId &&
            replies.some((reply) => reply._tag === "WithExit" && JSON.stringify(reply.exit).includes("Suspended"))
        )
      const saveEnvelope: typeof driver.encoded.saveEnvelope = (options) => {
        const { envelope } = options
        if (envelope._tag === "Request" && envelope.tag === "deferred") told.push(waits(envelope.address.entityId))
        return driver.encoded.saveEnvelope(options)
      }
      return { ...driver, encoded: { ...driver.encoded, saveEnvelope } }
    })
  )

it.effect("a guest that is ready at once is told to a build that waits for it, and to none that is on its way", () => {
  const told: Array<boolean> = []
  return Effect.gen(function* () {
    ;(yield* FakeDatabases).faults.startTime = Duration.zero
    yield* World.passes("200 millis")
    const ids = yield* Effect.forEach([1, 2, 3], () => World.create(["shop"]))
    yield* World.passes("1 second", "1 millis")
    for (const id of ids) expect(yield* World.status(id)).toBe("ACTIVE")
    expect(told).toEqual([true, true, true])
  }).pipe(
    Effect.scoped,
    Effect.provide(World.process.pipe(Layer.provide(watched(told)), Layer.provideMerge(World.surviving)))
  )
})
