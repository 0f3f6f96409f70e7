/** Parts of the service for a child of the bench whose roles speak over RabbitMQ, beside those of `composition.ts`. */
import { Effect, Layer, Redacted, Schedule, Schema } from "effect"
import * as AesSecretBox from "../../src/layers/AesSecretBox.ts"
import * as RabbitFabric from "../../src/layers/fabric/RabbitFabric.ts"
import * as ControlPlaneProtections from "../../src/layers/fabric/secure/ControlPlaneProtections.ts"
import { Keyring } from "../../src/layers/fabric/secure/Keyring.ts"
import * as NoProtection from "../../src/layers/fabric/secure/NoProtection.ts"
import * as PgKeyring from "../../src/layers/postgres/PgKeyring.ts"
import { names } from "./bareBroker.ts"

/** Twice what the service takes unless it is told otherwise; the bare side has as many. */
export const prefetch = 200

/** In clear text; as our guests and our own processes protect what they say; as Trove's guests do. */
export const Form = Schema.Literals(["plain", "coffer", "trove"])
export type Form = typeof Form.Type

const key = Redacted.make(new Uint8Array(32).fill(7))

/** The guests' keys in the bench's PostgreSQL. */
export const keyring = PgKeyring.layer.pipe(Layer.provide(AesSecretBox.layer(key)))

/** Of processes that meet no guest. */
export const noKeyring = Layer.succeed(Keyring, {
  ensure: () => Effect.die("no guest has a key here"),
  find: () => Effect.die("no guest has a key here"),
  all: Effect.die("no guest has a key here"),
  forget: () => Effect.void
})

/** Of the control plane. */
export const protections = (form: Form) => (form === "plain" ? NoProtection.layer : ControlPlaneProtections.layer(key))

export const fabric = (url: string, server: string) =>
  RabbitFabric.layer({ urls: [Redacted.make(url)], tls: {}, names, server, prefetch, restricted: false })

/** Ends when the fabric has its connections. */
export const connected = Effect.flatMap(RabbitFabric.FabricHealth, ({ isConnected }) =>
  Effect.repeat(Effect.sync(isConnected), { until: (is) => is, schedule: Schedule.spaced("5 millis") })
)
