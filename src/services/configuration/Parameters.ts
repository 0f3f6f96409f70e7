/**
 * What can be set of each version of a server, as `scripts/derive-parameters.ts` has asked it of the servers themselves.
 * A version that nobody has asked has no parameters, and takes no configuration groups.
 */
import { Schema } from "effect"
import type { DatastoreManagerName, DatastoreVersion } from "../Catalog.ts"
import { Parameter } from "./Parameter.ts"
import mariadb1011 from "./parameters/mariadb-10.11.json" with { type: "json" }
import mariadb118 from "./parameters/mariadb-11.8.json" with { type: "json" }
import postgresql16 from "./parameters/postgresql-16.json" with { type: "json" }
import postgresql17 from "./parameters/postgresql-17.json" with { type: "json" }
import postgresql18 from "./parameters/postgresql-18.json" with { type: "json" }
import { withheld } from "./Withheld.ts"

const decode = Schema.decodeUnknownSync(Schema.Array(Parameter))

/** What has been asked, by the numbers of a version that tell it from others. */
const derived: Readonly<Record<DatastoreManagerName, Readonly<Record<string, unknown>>>> = {
  postgresql: { "18": postgresql18, "17": postgresql17, "16": postgresql16 },
  mariadb: { "11.8": mariadb118, "10.11": mariadb1011 },
  mysql: {}
}

const read = new Map<unknown, ReadonlyArray<Parameter>>()

/** "18" of "PostgreSQL 18.4", "10.11" of "10.11.6". */
const seriesOf = (manager: DatastoreManagerName, name: string) =>
  (/\d+(\.\d+)*/.exec(name)?.[0] ?? "")
    .split(".")
    .slice(0, manager === "postgresql" ? 1 : 2)
    .join(".")

/** What the servers themselves have told, in the order of names; nothing of a version that nobody has asked. */
export const derivedParameters = ({
  manager,
  version
}: Pick<DatastoreVersion, "manager" | "version">): ReadonlyArray<Parameter> =>
  readOnce(derived[manager][seriesOf(manager, version)])

const readOnce = (text: unknown): ReadonlyArray<Parameter> => {
  if (text === undefined) return []
  const known = read.get(text) ?? decode(text)
  read.set(text, known)
  return known
}

/** Whether any server of that kind has told of a parameter of that name. MySQL's are MariaDB's, as far as is known. */
export const isKnownTo = (manager: DatastoreManagerName, name: string): boolean =>
  Object.values(derived[manager === "mysql" ? "mariadb" : manager]).some((text) =>
    readOnce(text).some((parameter) => parameter.name === name)
  )

/** With what administrators changed; in the order of names. None where the version takes no configuration groups. */
export const parametersOf = (
  version: Pick<DatastoreVersion, "manager" | "version" | "parameters">
): ReadonlyArray<Parameter> => {
  const told = derivedParameters(version)
  const { manager, parameters: changes = {} } = version
  if (Object.keys(changes).length === 0) return told
  // Also what was changed by a release that withheld less.
  const set = Object.values(changes).flatMap((one) =>
    one === null || withheld(manager, one.name) !== null ? [] : [one]
  )
  return [...told.filter(({ name }) => !Object.hasOwn(changes, name)), ...set].toSorted((a, b) =>
    a.name < b.name ? -1 : 1
  )
}

/** Those of them that a server takes at its next start only; of one that is not known nothing better can be said. */
export const needRestart = (
  parameters: ReadonlyArray<Parameter>,
  names: ReadonlyArray<string>
): ReadonlyArray<string> =>
  names.filter((name) => parameters.find((parameter) => parameter.name === name)?.restart ?? true)
