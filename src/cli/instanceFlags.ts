/** What several commands about instances are told in the same way. */
import { Argument, Flag } from "effect/cli"

export const nameOrId = Argument.String("instance").pipe(Argument.withDescription("Its name, or its id"))

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Answer with JSON, as the API tells it"),
  Flag.withDefault(false)
)

export const wait = Flag.Boolean("wait").pipe(
  Flag.withDescription("Wait until it is done, and show how it comes along; fails if that does"),
  Flag.withDefault(false)
)
