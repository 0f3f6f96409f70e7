/** What settings must say together: the rules that no setting can be held to alone. */
import { Redacted } from "effect"
import { hasCredentials, isEncrypted } from "./BrokerAccess.ts"
import type { Configuration, SettingName } from "./Configuration.ts"

/** What is broken, told of one of the settings that break it. */
export interface Disagreement {
  readonly setting: SettingName
  readonly rule: string
}

interface Agreement {
  /** Nothing is said while one of them breaks a rule of its own. */
  readonly between: ReadonlyArray<SettingName>
  readonly broken: (configuration: Configuration) => ReadonlyArray<Disagreement>
}

const when = (isBroken: boolean, setting: SettingName, rule: string): ReadonlyArray<Disagreement> =>
  isBroken ? [{ setting, rule }] : []

const guestCredentials: Agreement = {
  between: ["broker.shared_guest_credentials", "broker.guest_urls"],
  broken: ({ broker: { guest_urls, shared_guest_credentials: areShared } }) =>
    guest_urls === undefined
      ? when(areShared, "broker.guest_urls", "must be set, with the credentials, where guests share them")
      : guest_urls.every((url) => hasCredentials(url) === areShared)
        ? []
        : [
            {
              setting: "broker.guest_urls",
              rule: areShared
                ? "must all have user and password, for broker.shared_guest_credentials is true"
                : "must have neither user nor password, unless broker.shared_guest_credentials is true"
            }
          ]
}

/** The way to a guest's queue goes with a transient exchange, and a guest with a login of its own may not bind. */
const guestQueues: Agreement = {
  between: ["broker.queues", "broker.shared_guest_credentials"],
  broken: ({ broker: { queues, shared_guest_credentials: areShared } }) =>
    when(
      queues === "transient" && !areShared,
      "broker.queues",
      "must not be transient, unless broker.shared_guest_credentials is true: guests with logins of their own " +
        "could not be reached any more after the broker's restart"
    )
}

const management: Agreement = {
  between: ["broker.management_url", "broker.urls"],
  broken: ({ broker: { management_url, urls } }) =>
    when(
      management_url !== undefined && !hasCredentials(management_url) && urls === undefined,
      "broker.management_url",
      "must have user and password, for there are no broker.urls to take them from"
    )
}

const certificate: Agreement = {
  between: ["broker.cert_file", "broker.key_file"],
  broken: ({ broker: { cert_file, key_file } }) => [
    ...when(cert_file !== undefined && key_file === undefined, "broker.key_file", "must be set with broker.cert_file"),
    ...when(cert_file === undefined && key_file !== undefined, "broker.cert_file", "must be set with broker.key_file")
  ]
}

const tlsFiles = ["ca_file", "cert_file", "key_file"] as const

/** Who names a certificate expects to be encrypted. */
const encryption: Agreement = {
  between: ["broker.urls", "guestagent.urls"],
  broken: ({ broker, guestagent }) => {
    const urls = [...(broker.urls ?? []), ...(guestagent.urls ?? [])]
    const isPlain = urls.length > 0 && !urls.some(isEncrypted)
    return tlsFiles.flatMap((file) =>
      when(isPlain && broker[file] !== undefined, `broker.${file}`, "does nothing: no URL of the broker is amqps://")
    )
  }
}

const computeCommand: Agreement = {
  between: ["taskmanager.compute_command", "taskmanager.compute_command_addresses"],
  broken: ({ taskmanager: { compute_command: command, compute_command_addresses: addresses } }) => [
    ...when(
      addresses !== undefined && command === undefined,
      "taskmanager.compute_command",
      "must be set with taskmanager.compute_command_addresses"
    ),
    ...when(
      command !== undefined && addresses === undefined,
      "taskmanager.compute_command_addresses",
      "must be set with taskmanager.compute_command: servers need addresses"
    )
  ]
}

const tokens: Agreement = {
  between: ["api.tokens"],
  broken: ({ api }) => {
    const all = (api.tokens ?? []).map(({ token }) => Redacted.value(token))
    return when(new Set(all).size < all.length, "api.tokens", "must differ: one token cannot stand for two users")
  }
}

/** Whom a token stands for is said by one place alone. */
const identity: Agreement = {
  between: ["api.tokens", "keystone.auth_url"],
  broken: ({ api, keystone }) =>
    when(
      api.tokens !== undefined && keystone.auth_url !== undefined,
      "api.tokens",
      "must not be set with keystone.auth_url: either Keystone knows who may ask, or these tokens do"
    )
}

const keystoneUser = ["username", "password"] as const

const keystone: Agreement = {
  between: ["keystone.auth_url", "keystone.username", "keystone.password"],
  broken: ({ keystone }) =>
    keystoneUser.flatMap((key) => [
      ...when(
        keystone.auth_url !== undefined && keystone[key] === undefined,
        `keystone.${key}`,
        "must be set with keystone.auth_url"
      ),
      ...when(
        keystone.auth_url === undefined && keystone[key] !== undefined,
        "keystone.auth_url",
        `must be set with keystone.${key}`
      )
    ])
}

/** Who names a certificate expects to be encrypted. */
const keystoneEncryption: Agreement = {
  between: ["keystone.auth_url", "keystone.ca_file"],
  broken: ({ keystone: { auth_url, ca_file } }) =>
    when(
      ca_file !== undefined && auth_url !== undefined && !auth_url.startsWith("https:"),
      "keystone.ca_file",
      "does nothing: keystone.auth_url is not https://"
    )
}

const agreements: ReadonlyArray<Agreement> = [
  guestCredentials,
  guestQueues,
  management,
  certificate,
  encryption,
  computeCommand,
  tokens,
  identity,
  keystone,
  keystoneEncryption
]

/** `invalid`: the settings that break a rule of their own, which the configuration does not hold. */
export const disagreements = (
  configuration: Configuration,
  invalid: ReadonlySet<string>
): ReadonlyArray<Disagreement> =>
  agreements
    .filter(({ between }) => !between.some((name) => invalid.has(name)))
    .flatMap(({ broken }) => broken(configuration))
    .filter(({ setting }) => !invalid.has(setting))
