/** The variables of `coffer up` that say how long operations may take. */
import { expect, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { OperationDeadlines } from "../../src/actors/InstanceActor.ts"
import * as Settings from "../../src/layers/Settings.ts"

const minutes = (variables: Record<string, string>) =>
  Effect.map(OperationDeadlines, ({ build, delete: remove, restart }) =>
    [build, restart, remove].map(Duration.toMinutes)
  ).pipe(
    Effect.provide(Settings.layer.pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(variables)))))
  )

it.effect("each operation has a deadline of its own", () =>
  Effect.gen(function* () {
    expect(yield* minutes({})).toEqual([30, 10, 10])
    const set = {
      COFFER_BUILD_DEADLINE: "1 hour",
      COFFER_RESTART_DEADLINE: "4 minutes",
      COFFER_DELETE_DEADLINE: "90 seconds"
    }
    expect(yield* minutes(set)).toEqual([60, 4, 1.5])
  })
)
