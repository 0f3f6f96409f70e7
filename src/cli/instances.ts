/** The instances of a project, and which of them a name stands for. */
import { Effect } from "effect"
import { plain } from "../layers/config/terminalText.ts"
import { Listed } from "./answers.ts"
import { type Connection, failed } from "./connection.ts"
import { read } from "./document.ts"
import { allPages } from "./pages.ts"

/** All instances as they came. */
export const allInstances = (connection: Connection) => allPages(connection, "/instances", "instances")

/** The id that a name stands for; an id stands for itself. */
export const idOf = Effect.fnUntraced(function* (connection: Connection, nameOrId: string) {
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/i.test(nameOrId)) return nameOrId
  const { instances } = yield* read(connection, Listed, { instances: yield* allInstances(connection) })
  const found = instances.filter(({ name }) => name === nameOrId)
  if (found[0] === undefined)
    return yield* failed(
      plain(`There is no instance named ${nameOrId} in the project ${connection.project}. See: coffer instance list`)
    )
  if (found.length > 1)
    return yield* failed(
      plain(`${found.length} instances are named ${nameOrId}; name one by its id. See: coffer instance list`)
    )
  return found[0].id
})
