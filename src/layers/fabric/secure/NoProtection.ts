/**
 * No protection: messages go and come in clear text, and everybody who can reach the broker is believed. For tests,
 * and among peers that speak so; always an explicit choice, for nothing falls back to it.
 */
import { Effect, Layer } from "effect"
import { type Protection, Protections } from "./Protection.ts"

const plain: Protection = {
  sealRequest: Effect.succeed,
  openRequest: (request) => Effect.succeed({ ...request, sender: null }),
  sealReply: Effect.succeed,
  openReply: Effect.succeed
}

export const layer: Layer.Layer<Protections> = Layer.succeed(Protections, { of: () => Effect.succeed(plain) })
