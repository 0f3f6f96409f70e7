/**
 * The rules that settings are held to. What a rule says is what an error says, word for word, and never the value
 * that broke it: a secret that was mistyped is still a secret.
 */
import { Duration, Option, Result, Schema } from "effect"
import { rangeProblem } from "../../services/AddressRange.ts"
import { HostName as ReportedName } from "../../services/ConductorApi.ts"
import { NetworkId } from "../../services/TenantNetwork.ts"
import { ZoneName, zoneRule } from "../../services/Zones.ts"
import { exampleToken, guessable } from "./knownKeys.ts"

/** How many items any list may hold. */
const maxItems = 100

/** A text that `isValid`; `rule` reads after the setting's name: "must be …". */
const text = (rule: string, isValid: (text: string) => boolean) =>
  Schema.String.annotate({ message: rule }).check(Schema.makeFilter(isValid, { message: rule }))

export const Flag = Schema.Boolean.annotate({ message: "must be true or false" })

export const whole = (minimum: number, maximum: number) => {
  const message = `must be a whole number from ${minimum} to ${maximum}`
  return Schema.Number.annotate({ message }).check(
    Schema.makeFilter((n) => Number.isInteger(n) && n >= minimum && n <= maximum, { message })
  )
}

export const Port = whole(1, 65535)

export const oneOf = <const L extends ReadonlyArray<string>>(values: L) =>
  Schema.Literals(values).annotate({ message: `must be one of ${values.map((value) => `"${value}"`).join(", ")}` })

export const Host = text("must be the name or the address of a host", (host) => /^[\w.:%-]{1,255}$/.test(host))

export const Name = text("must be a text of 1 to 255 characters, without control characters", (name) =>
  /^[^\p{Cc}\p{Cs}]{1,255}$/u.test(name)
)

/** One word of a command. */
export const Argument = text("must be a text of 1 to 4096 characters, without NUL", (word) =>
  /^[^\0]{1,4096}$/.test(word)
)

/** Stands in the names of queues. */
export const HostName = text(
  "must be 1 to 63 letters, digits, '.' or '-', with a letter or digit at both ends",
  Schema.is(ReportedName)
)

/** As machines report it and orders name it. */
export const Zone = text(zoneRule, Schema.is(ZoneName))

export const Uuid = text("must be a UUID such as c0ffee00-0000-4000-8000-000000000001", Schema.is(NetworkId))

export const Path = text("must be an absolute path", (path) => /^\/[^\0]*$/.test(path))

/** A value of `Host` in a request, without port. */
export const AllowedHost = text('must be a host as requests name it, without a port, or "*"', (host) =>
  /^(\*|\[[0-9a-fA-F:.]+\]|[\w.-]{1,255})$/.test(host)
)

export const Exchange = text(
  "must be 1 to 127 letters, digits, '.', '_', ':' or '-', and not begin with amq.",
  (name) => /^(?!amq\.)[\w.:-]{1,127}$/.test(name)
)

const shortest = Duration.millis(1)
const longest = Duration.days(3650)

export const Time = text('must be a duration such as "30 minutes", from "1 milli" to "3650 days"', (text) =>
  Option.exists(Schema.decodeOption(Schema.DurationFromString)(text), (duration) =>
    Duration.between(duration, { minimum: shortest, maximum: longest })
  )
).pipe(Schema.decodeTo(Schema.DurationFromString))

/** As instances can have their addresses from. */
export const Network = Schema.String.annotate({ message: "must be an IPv4 network such as 10.9.0.0/16" }).check(
  Schema.makeFilter((cidr) => rangeProblem(cidr) ?? undefined)
)

/** The parts of a URL that can be taken apart, with a host, and credentials that can be read. */
const parts = (text: string): URL | undefined => {
  const url = URL.parse(text)
  if (url === null || url.hostname === "") return undefined
  const decoded = Result.try(() => [url.username, url.password].map(decodeURIComponent))
  return Result.isSuccess(decoded) ? url : undefined
}

const hasBothOrNeither = ({ password, username }: URL) => (username === "") === (password === "")

const hasCredentials = ({ password, username }: URL) => username !== "" && password !== ""

export const DatabaseUrl = Schema.RedactedFromValue(
  text("must be a URL such as postgresql://user:password@host:5432/coffer", (text) =>
    /^postgres(ql)?:$/.test(parts(text)?.protocol ?? "")
  )
)

const isAmqp = (url: URL | undefined): url is URL => /^amqps?:$/.test(url?.protocol ?? "")

export const BrokerUrl = Schema.RedactedFromValue(
  text("must be a URL such as amqps://user:password@host:5671/vhost, with user and password", (text) => {
    const url = parts(text)
    return isAmqp(url) && hasCredentials(url)
  })
)

/** With credentials or without: which of them is right depends on another setting. */
export const GuestUrl = Schema.RedactedFromValue(
  text("must be a URL such as amqps://host:5671/vhost, with both user and password or neither", (text) => {
    const url = parts(text)
    return isAmqp(url) && hasBothOrNeither(url)
  })
)

export const ManagementUrl = Schema.RedactedFromValue(
  text("must be a URL such as http://host:15672, with both user and password or neither", (text) => {
    const url = parts(text)
    return url !== undefined && /^https?:$/.test(url.protocol) && hasBothOrNeither(url)
  })
)

/** Without the version that clients add: `/v3` at its end is left out. */
export const KeystoneUrl = text(
  "must be a URL such as https://keystone.example.org:5000, without credentials",
  (text) => {
    const url = parts(text)
    return (
      url !== undefined &&
      /^https?:$/.test(url.protocol) &&
      `${url.username}${url.password}${url.search}${url.hash}` === "" &&
      /^[!-~]{1,1024}$/.test(text) &&
      !/["\\]/.test(text)
    )
  }
)

export const Password = Schema.RedactedFromValue(
  text("must be a text of 1 to 4096 characters, without control characters", (password) =>
    /^[^\p{Cc}\p{Cs}]{1,4096}$/u.test(password)
  )
)

export const Key = Schema.RedactedFromValue(
  text(
    "must be the base64 of 32 random bytes that nobody else knows; make one with: openssl rand -base64 32",
    (text) => /^[A-Za-z0-9+/]{43}=$/.test(text) && !guessable(text)
  ).pipe(Schema.decodeTo(Schema.Uint8ArrayFromBase64))
)

/** As a header can carry it. */
export const Token = Schema.RedactedFromValue(
  text(
    "must be 16 to 255 visible ASCII characters that cannot be guessed",
    (token) => /^[!-~]{16,255}$/.test(token) && new Set(token).size > 1 && token !== exampleToken
  )
)

export const listOf = <S extends Schema.Constraint>(item: S) =>
  Schema.Array(item)
    .annotate({ message: "must be a list" })
    .check(Schema.isMaxLength(maxItems, { message: `must not hold more than ${maxItems}` }))

export const someOf = <S extends Schema.Constraint>(item: S) =>
  Schema.NonEmptyArray(item)
    .annotate({ message: "must be a list" })
    .check(Schema.isMaxLength(maxItems, { message: `must not hold more than ${maxItems}` }))
