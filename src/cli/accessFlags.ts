/** Who may reach an instance, as commands are told it. */
import { Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { maxNetworks, Network } from "../services/AllowedNetworks.ts"

export const accessFlags = {
  allow: Flag.String("allow").pipe(
    Flag.withSchema(Network),
    Flag.withDescription(
      "An IPv4 network whose clients reach it, 10.0.0.0/8; repeat it for more. With none, everybody does"
    ),
    Flag.between(0, maxNetworks)
  ),
  public: Flag.Boolean("public").pipe(
    Flag.withDescription("Kept and shown (is_public), as --no-public is; restricts nobody"),
    Flag.optional
  )
}

interface Asked {
  readonly allow: ReadonlyArray<string>
  readonly public: Option.Option<boolean>
}

export const Access = Schema.Struct({
  is_public: Schema.optionalKey(Schema.Boolean),
  allowed_cidrs: Schema.optionalKey(Schema.Array(Schema.String))
})

/** As the API takes it. */
export const accessOf = (asked: Asked): typeof Access.Type => ({
  ...(Option.isSome(asked.public) ? { is_public: asked.public.value } : {}),
  ...(asked.allow.length === 0 ? {} : { allowed_cidrs: asked.allow })
})

/** In words, for a terminal. */
export const inWords = ({ allowed_cidrs: networks = [], is_public: isPublic }: typeof Access.Type): string =>
  `${networks.length === 0 ? "everybody" : networks.join(", ")}${isPublic === undefined ? "" : isPublic ? " (public)" : " (private)"}`
