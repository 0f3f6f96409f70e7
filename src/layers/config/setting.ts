/** How a setting is declared: its rule, its default, and what it is for, in one place. */
import { Effect, Schema } from "effect"

/** What is told of a setting beside its description. */
export interface About {
  /** Shown as "(set)", and in no error. */
  readonly isSecret?: boolean
  /** What a new file shows where there is no default. */
  readonly example?: unknown
  /** What the documentation calls a default that differs from machine to machine. */
  readonly defaultName?: string
}

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /** Of a setting: what is told of it, and its default as a file would write it. */
      readonly setting?: (About & { readonly default?: unknown }) | undefined
    }
  }
}

/** A setting that may stay unset. */
export const optional = <S extends Schema.Constraint>(schema: S, description: string, about: About = {}) =>
  Schema.optionalKey(schema).annotateKey({ description, setting: about })

/** A setting with a default, as a file would write it. */
export const defaulted = <S extends Schema.Constraint>(
  schema: S,
  value: S["Encoded"],
  description: string,
  about: About = {}
) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema).annotateKey({
    description,
    setting: { ...about, default: value }
  })
