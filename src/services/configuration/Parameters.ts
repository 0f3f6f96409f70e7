/**
 * What can be set of each version of a server, as `scripts/derive-parameters.ts` has asked it of the servers themselves.
 * A version that nobody has asked has no parameters, and takes no configuration groups.
 */
import { Schema } from "effect"
import type { DatastoreManagerName, DatastoreVersion } from "../Catalog.ts"
import { Parameter } from "./Parameter.ts"
import mariadb1011 from "./parameters/mariadb-10.11.json" with { type: "json" }
import postgresql16 from "./parameters/postgresql-16.json" with { type: "json" }
import postgresql17 from "./parameters/postgresql-17.json" with { type: "json" }
import postgresql18 from "./parameters/postgresql-18.json" with { type: "json" }

const decode = Schema.decodeUnknownSync(Schema.Array(Parameter))

/** What has been asked, by the numbers of a version that tell it from others. */
const derived: Readonly<Record<DatastoreManagerName, Readonly<Record<string, unknown>>>> = {
  postgresql: { "18": postgresql18, "17": postgresql17, "16": postgresql16 },
  mariadb: { "10.11": mariadb1011 },
  mysql: {}
}

const read = new Map<unknown, ReadonlyArray<Parameter>>()

/** "18" of "PostgreSQL 18.4", "10.11" of "10.11.6". */
const seriesOf = (manager: DatastoreManagerName, name: string) =>
  (/\d+(\.\d+)*/.exec(name)?.[0] ?? "")
    .split(".")
    .slice(0, manager === "postgresql" ? 1 : 2)
    .join(".")

/** In the order of names; none where the version takes no configuration groups. */
export const parametersOf = ({
  manager,
  version
}: Pick<DatastoreVersion, "manager" | "version">): ReadonlyArray<Parameter> => {
  const text = derived[manager][seriesOf(manager, version)]
  if (text === undefined) return []
  const known = read.get(text) ?? decode(text)
  read.set(text, known)
  return known
}

/** Those of them that a server takes at its next start only; of one that is not known nothing better can be said. */
export const needRestart = (
  parameters: ReadonlyArray<Parameter>,
  names: ReadonlyArray<string>
): ReadonlyArray<string> =>
  names.filter((name) => parameters.find((parameter) => parameter.name === name)?.restart ?? true)
