/** The variables of `coffer up` that say in which zone its machine is, and how its network is called. */
import { expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as Settings from "../../src/layers/Settings.ts"
import { defaultNetwork, TenantNetwork } from "../../src/services/TenantNetwork.ts"

const told = (variables: Record<string, string>) => {
  const provider = ConfigProvider.layer(ConfigProvider.fromUnknown(variables))
  return Effect.all([Settings.zone, TenantNetwork]).pipe(
    Effect.provide(Settings.layer.pipe(Layer.provideMerge(provider)))
  )
}

const id = "44444444-4444-4444-8444-444444444444"

it.effect("zone and network are those that are told, else always the same", () =>
  Effect.gen(function* () {
    expect(yield* told({})).toEqual(["nova", defaultNetwork])
    const both = { COFFER_ZONE: "az2", COFFER_NETWORK_ID: id }
    expect(yield* told(both)).toEqual(["az2", { ...defaultNetwork, id }])
    expect((yield* told({ COFFER_SUBNET_ID: id }))[1].subnet).toBe(id)
  })
)

it.effect.each([
  [{ COFFER_ZONE: "rack 1" }, "COFFER_ZONE"],
  [{ COFFER_NETWORK_ID: "private" }, "COFFER_NETWORK_ID"]
] as const)("what cannot be one is refused: %j", ([variables, name]) =>
  Effect.gen(function* () {
    expect((yield* Effect.flip(told(variables))).message).toContain(name)
  })
)
