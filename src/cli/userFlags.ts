/** What several commands about users are told in the same way, and how they tell of users. */
import { Argument, Flag } from "effect/cli"
import { table } from "../layers/config/terminalText.ts"
import type { User } from "./answers.ts"

/** How many databases, or users, one request names. */
export const maxNamed = 100

/** One that is there, as the API names it in a path. */
export const user = Argument.String("user").pipe(
  Argument.withDescription("Its name; with its host where it has one: ann@10.0.0.%")
)

export const databases = Flag.String("database").pipe(
  Flag.withDescription("A database that the user may use; repeat it for more"),
  Flag.between(0, maxNamed)
)

export const renderUsers = (users: ReadonlyArray<User>) =>
  table([
    ["NAME", "HOST", "DATABASES"],
    ...users.map(({ databases, host, name }) => [name, host, databases.map(({ name }) => name).join(", ")])
  ])
