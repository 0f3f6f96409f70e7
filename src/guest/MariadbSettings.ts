/** What a running MariaDB or MySQL takes of its settings: one statement for each. */
import { Effect } from "effect"
import type { Connection } from "mysql2/promise"
import type { Value } from "../services/configuration/Parameter.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { SettingChanges } from "./DatastoreManager.ts"
import { run } from "./MariadbConnection.ts"
import { identifier, literal } from "./MariadbNames.ts"

/** The server knows the variable, and takes it at its start only. */
const waits: ReadonlyArray<string> = ["ER_INCORRECT_GLOBAL_LOCAL_VAR", "ER_GLOBAL_VARIABLE"]

const told = (value: Value | null) => {
  if (value === null) return "DEFAULT"
  if (typeof value === "string") return literal(value)
  return typeof value === "boolean" ? (value ? "ON" : "OFF") : String(value)
}

/** Whether something waits for a restart. What comes before a value that is refused stays: who asks takes all of it back. */
export const applySettings = (changes: SettingChanges) =>
  Effect.fnUntraced(function* (connection: Connection) {
    let isWaiting = false
    for (const [name, value] of Object.entries(changes)) {
      yield* run(connection, `SET GLOBAL ${identifier(name)} = ${told(value)}`).pipe(
        Effect.catchTag("ServerFailure", ({ code }) => {
          if (!waits.includes(code))
            return Effect.fail(new GuestRefusal({ message: `The database server does not take ${name} (${code}).` }))
          isWaiting = true
          return Effect.void
        })
      )
    }
    return isWaiting
  })
