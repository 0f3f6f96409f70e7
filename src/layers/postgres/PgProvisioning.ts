/** What databases and users an instance was ordered with, sealed, in PostgreSQL. */
import { Effect, Layer, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { InstanceId } from "../../services/Ids.ts"
import { Provisioning, ProvisioningStore } from "../../services/Provisioning.ts"
import { SecretBox } from "../../services/SecretBox.ts"

/** Whatever the database refuses here is a bug or an outage; neither is the caller's to handle. */
const died = Effect.orDie

const SealedProvisioning = Schema.fromJsonString(Schema.toCodecJson(Provisioning))
const encode = Schema.encodeEffect(SealedProvisioning)
const decode = Schema.decodeEffect(SealedProvisioning)

/** As it is stored with the instance. */
export const sealed = Effect.fnUntraced(function* (
  box: SecretBox["Service"],
  id: InstanceId,
  provisioning: Provisioning
) {
  return yield* box.seal(id, Redacted.make(yield* died(encode(provisioning))))
})

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const box = yield* SecretBox
  return ProvisioningStore.of({
    open: Effect.fn("ProvisioningStore.open")(function* (id) {
      const rows = yield* died(
        sql<{ readonly sealed: Uint8Array }>`SELECT sealed FROM provisioning WHERE instance = ${id}`
      )
      if (rows[0] === undefined) return { databases: [], users: [] }
      const plain = yield* died(box.open(id, rows[0].sealed))
      return yield* died(decode(Redacted.value(plain)))
    }),
    forget: (id) => died(Effect.asVoid(sql`DELETE FROM provisioning WHERE instance = ${id}`))
  })
})

export const layer = Layer.effect(ProvisioningStore, make)
