/**
 * Who may reach an instance: the IPv4 networks that its clients must be of. None means everybody. An instance has one
 * address, of its machine's range, and no floating one: `is_public` is kept and shown, and restricts nobody.
 */
import { Schema } from "effect"
import type { DatastoreVersion } from "./Catalog.ts"
import type { Access } from "./Instances.ts"

/** How many networks one instance may name. */
export const maxNetworks = 100

const octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

/** An IPv4 network, "10.0.0.0/8". */
export const Network = Schema.String.check(
  Schema.isPattern(new RegExp(`^(${octet}\\.){3}${octet}/([0-9]|[12][0-9]|3[0-2])$`), {
    message: "must be an IPv4 network such as 10.0.0.0/8"
  })
)
export const Networks = Schema.Array(Network).check(Schema.isMaxLength(maxNetworks))

interface Range {
  readonly first: number
  readonly bits: number
}

const rangeOf = (network: string): Range => {
  const [address = "", length = ""] = network.split("/")
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - Number(length))
  return { first: number - (number % size), bits: Number(length) }
}

const textOf = ({ bits, first }: Range) =>
  `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".")}/${bits}`

const holds = (one: Range, other: Range) =>
  one.bits <= other.bits && other.first - (other.first % 2 ** (32 - one.bits)) === one.first

/** The same addresses in as few networks as they were told in, in order; none where they are all there are. */
export const reduced = (networks: ReadonlyArray<string>): ReadonlyArray<string> => {
  const ranges = networks.map(rangeOf).toSorted((a, b) => a.bits - b.bits || a.first - b.first)
  if (ranges[0]?.bits === 0) return []
  return ranges
    .filter((range, at) => !ranges.slice(0, at).some((wider) => holds(wider, range)))
    .toSorted((a, b) => a.first - b.first)
    .map(textOf)
}

/** Whom an access lets in. */
export const networksOf = (access: Access | null): ReadonlyArray<string> => reduced(access?.allowed_cidrs ?? [])

/** What is said where machines tell of themselves that they can keep nobody out. */
export const unguarded = (why: string) => `Validation error: access.allowed_cidrs cannot be enforced: ${why}.`

export const noGuard = (zone: string | null) =>
  `no machine${zone === null ? "" : ` of the availability zone ${zone}`} can restrict who reaches a database`

/** Whether anybody is to be kept out. */
export const restricts = (access: Access | null): boolean => networksOf(access).length > 0

/** Why nobody can be kept out of instances of this version, where that is asked for; null where it can be. */
export const refuseAccess = (version: DatastoreVersion | undefined, access: Access | null): string | null =>
  version?.agent === "trove" && restricts(access)
    ? `Version '${version.name}' is operated by an agent that cannot restrict who reaches a database (allowed_cidrs).`
    : null
