/**
 * Texts as requests may write them, with the rule that each breaks told in the words of a client. The rules
 * of each datastore stand in services/NameRules.ts.
 */
import { Schema } from "effect"
import { Text } from "../services/Ids.ts"

/** Trove's `^.*[0-9a-zA-Z]+.*$` on texts of 1 to 255 characters. */
export const Name = Text.check(
  Schema.isMinLength(1, { message: "is too short: at least 1 character" }),
  Schema.isMaxLength(255, { message: "is too long: at most 255 characters" }),
  Schema.isPattern(/[0-9a-zA-Z]/, { message: "does not match '^.*[0-9a-zA-Z]+.*$': it needs a letter or a digit" })
)

/** Redacted from here on: it is never logged, traced or repeated. */
export const Password = Schema.RedactedFromValue(Name)

export const Host = Schema.String.check(
  Schema.isMaxLength(255, { message: "is too long: at most 255 characters" }),
  Schema.isPattern(/^[%]?[\w(-).:/]*[%]?$/, { message: "does not match '^[%]?[\\w(-).]*[%]?$'" })
)

/** How many databases or users one request may name. */
const maxNamed = 100
const few = Schema.isMaxLength(maxNamed, { message: `must not hold more than ${maxNamed}` })

/** A text that need not be given. */
export const OptionalText = Schema.optionalKey(Schema.NullOr(Text.check(Schema.isMaxLength(255))))

export const NewDatabases = Schema.Array(
  Schema.Struct({ name: Name, character_set: OptionalText, collate: OptionalText })
).check(few)

/** Databases that are there. */
export const DatabaseNames = Schema.Array(Schema.Struct({ name: Name })).check(few)

export const NewUsers = Schema.Array(
  Schema.Struct({
    name: Name,
    password: Password,
    host: Schema.optionalKey(Schema.NullOr(Host)),
    databases: Schema.optionalKey(DatabaseNames)
  })
).check(few)

/** Who of those that are there is to have which password. */
export const NewPasswords = Schema.Array(
  Schema.Struct({ name: Name, password: Password, host: Schema.optionalKey(Schema.NullOr(Host)) })
).check(few)

/** What is to change of a user: something at least. */
export const UserChange = Schema.Struct({
  name: Schema.optionalKey(Name),
  password: Schema.optionalKey(Password),
  host: Schema.optionalKey(Host)
}).check(Schema.makeFilter((change) => Object.keys(change).length > 0, { message: "must name what is to change" }))

/** As the guest is told them. */
export const toDatabases = (databases: typeof NewDatabases.Type) =>
  databases.map(({ name, character_set, collate }) => ({
    name,
    ...(character_set === undefined ? {} : { characterSet: character_set }),
    ...(collate === undefined ? {} : { collate })
  }))

export const toUsers = (users: typeof NewUsers.Type) =>
  users.map(({ name, password, host, databases }) => ({
    name,
    password,
    host: host ?? "%",
    databases: databases ?? []
  }))

export const toPasswords = (users: typeof NewPasswords.Type) =>
  users.map(({ name, password, host }) => ({ name, password, host: host ?? "%" }))

export const namesOf = (databases: typeof DatabaseNames.Type) => databases.map(({ name }) => name)
