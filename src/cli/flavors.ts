/** The flavors that can be ordered, and which of them a name stands for. */
import { Effect, Schema } from "effect"
import { plain } from "../layers/config/terminalText.ts"
import { get } from "./client.ts"
import { type Connection, failed } from "./connection.ts"
import { patiently } from "./patience.ts"

const Names = Schema.Struct({
  flavors: Schema.Array(Schema.Struct({ name: Schema.String, str_id: Schema.String }))
})

/** The id of the flavor of this id, else of this name. */
export const flavorIdOf = Effect.fnUntraced(function* (connection: Connection, nameOrId: string) {
  const { flavors } = yield* patiently(get(connection, "/flavors", Names))
  const found = flavors.find(({ str_id }) => str_id === nameOrId) ?? flavors.find(({ name }) => name === nameOrId)
  if (found !== undefined) return found.str_id
  const offered = flavors.map(({ name }) => name).join(", ")
  return yield* failed(plain(`There is no flavor ${nameOrId}. There are: ${offered}.`))
})
