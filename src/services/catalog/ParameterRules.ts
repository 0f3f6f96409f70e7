/**
 * What an administrator's change of a version's parameters makes of those before, and why it is refused. What the
 * servers themselves have told stands: it can be made narrower, and taken away, and never wider.
 */
import { Effect } from "effect"
import type { DatastoreVersion } from "../Catalog.ts"
import type { Parameter } from "../configuration/Parameter.ts"
import { derivedParameters, isKnownTo, parametersOf } from "../configuration/Parameters.ts"
import { withheld } from "../configuration/Withheld.ts"
import { InvalidRequest } from "../InstanceRequests.ts"
import { mostParameters, type ParameterChanges } from "./CatalogChanges.ts"

export interface WantedParameter {
  readonly name: string
  readonly type: Parameter["type"]
  readonly restart: boolean
  readonly min: number | null
  readonly max: number | null
}

const refuse = (message: string) => Effect.fail(new InvalidRequest({ message }))

const rangeRefusal = ({ max, min, name, type }: WantedParameter): string | null => {
  const isNumber = type === "integer" || type === "float"
  if (!isNumber && (min !== null || max !== null)) return `min_size and max_size are of numbers, and ${name} is none.`
  if (type === "integer" && (min === null || max === null))
    return `The configuration parameter ${name} is an integer: min_size and max_size must be given.`
  if (type === "integer" && !(Number.isSafeInteger(min) && Number.isSafeInteger(max)))
    return `The configuration parameter ${name} is an integer: min_size and max_size must be integers.`
  if (min !== null && max !== null && min > max) return `min_size of ${name} must not be greater than its max_size.`
  return null
}

/** A file of MariaDB or MySQL takes the beginning of a name for the name, and prefixes before it. */
const nameRefusal = (version: DatastoreVersion, name: string): string | null => {
  if (!/^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62})?$/.test(name))
    return "name must be of small letters, digits and _, begin with a letter, and be of 63 characters at the most."
  const why = withheld(version.manager, name)
  if (why !== null) return `The configuration parameter ${name} is withheld: ${why}.`
  if (version.manager !== "postgresql" && !isKnownTo(version.manager, name))
    return `The configuration parameter ${name} is withheld: no server of this kind was asked what it does.`
  return null
}

/** What the server itself has told of it is not to be contradicted. */
const contradiction = (told: Parameter, wanted: WantedParameter): string | null => {
  const { name } = wanted
  if (wanted.type !== told.type) return `The configuration parameter ${name} is of type ${told.type}.`
  if (told.restart && !wanted.restart) return `The server takes ${name} at its next start only.`
  if (told.min !== undefined && wanted.min !== null && wanted.min < told.min)
    return `min_size of ${name} must not be less than what the server takes: ${told.min}.`
  if (told.max !== undefined && wanted.max !== null && wanted.max > told.max)
    return `max_size of ${name} must not be greater than what the server takes: ${told.max}.`
  return null
}

const toldOf = (version: DatastoreVersion, name: string) =>
  derivedParameters(version).find((parameter) => parameter.name === name)

const placed = Effect.fnUntraced(function* (version: DatastoreVersion, wanted: WantedParameter) {
  const { max, min, name, restart, type } = wanted
  const told = toldOf(version, name)
  const refusal =
    nameRefusal(version, name) ?? rangeRefusal(wanted) ?? (told === undefined ? null : contradiction(told, wanted))
  if (refusal !== null) return yield* refuse(refusal)
  const changes = version.parameters ?? {}
  if (!Object.hasOwn(changes, name) && Object.keys(changes).length >= mostParameters)
    return yield* refuse(`${mostParameters} parameters of this version were changed already, which is the most.`)
  const parameter: Parameter = {
    ...(told ?? { name, type }),
    restart,
    ...(min === null ? {} : { min }),
    ...(max === null ? {} : { max })
  }
  return { ...changes, [name]: parameter } satisfies ParameterChanges
})

export const parameterNamed = (version: DatastoreVersion, name: string) => {
  const known = parametersOf(version).find((parameter) => parameter.name === name)
  return known === undefined ? refuse(`The configuration parameter ${name} cannot be found.`) : Effect.succeed(known)
}

export const addingParameter = Effect.fnUntraced(function* (version: DatastoreVersion, wanted: WantedParameter) {
  if (parametersOf(version).some(({ name }) => name === wanted.name))
    return yield* refuse(`A configuration parameter ${wanted.name} already exists for version ${version.name}.`)
  return yield* placed(version, wanted)
})

export const changingParameter = Effect.fnUntraced(function* (version: DatastoreVersion, wanted: WantedParameter) {
  yield* parameterNamed(version, wanted.name)
  return yield* placed(version, wanted)
})

export const removingParameter = Effect.fnUntraced(function* (version: DatastoreVersion, name: string) {
  yield* parameterNamed(version, name)
  const { [name]: _, ...others } = version.parameters ?? {}
  return toldOf(version, name) === undefined ? others : ({ ...others, [name]: null } satisfies ParameterChanges)
})
