/**
 * Where an answer of ours is another one than the recorded Trove's, and why. What stands here has to differ in just this
 * way, and nothing else may: replay.test.ts sees to both. Compared is what compare.ts compares.
 */
import { absent } from "./compare.ts"

export interface Deviation {
  /** By the numbers of the exchanges: `answer` where the status differs, else places in the body, as `instance.links[].href`. */
  readonly where: Readonly<Record<string, ReadonlyArray<string>>>
  /** What we have there; `absent` where we leave it out. */
  readonly ours: string
  readonly why: string
  /** What it waits for; null where it is to stay so. */
  readonly feature: string | null
}

const meant = (why: string, ours: string, where: Deviation["where"]): Deviation => ({ where, ours, why, feature: null })

const leftOut = (why: string, where: Deviation["where"]) => meant(why, absent, where)

/** What ends with the feature: then its block goes, here and in calls.ts. */
const waiting = (
  feature: string,
  ...differences: ReadonlyArray<readonly [ours: string, where: Deviation["where"]]>
): ReadonlyArray<Deviation> => differences.map(([ours, where]) => ({ where, ours, why: "not there yet", feature }))

const answered = (...numbers: ReadonlyArray<string>): Deviation["where"] =>
  Object.fromEntries(numbers.map((number) => [number, ["answer"]]))

const bug = "Trove meets a bug. No client depends on its 500."
const noNova = "There is no Nova that knows the server by an id of its own: `server.id` is the instance's."
const noCinder = "There is no Cinder: a volume belongs to its instance, and is nothing by itself."
const unrepeated = "What was sent is never repeated, for it may be a password: told are the field and the rule."
const unasked =
  "What can be set is asked of the servers themselves, and no MySQL is to be had; a version that nobody has asked takes no groups. With PostgreSQL it goes as recorded (test/http/configurations.test.ts)."
const poorer = "The recorded guest was a stub that did not know this call."

export const deviations: ReadonlyArray<Deviation> = [
  meant(
    "It is for discovery, which must not ask for a token. Trove has a version to show there, and its own gate before it.",
    "200",
    answered("002")
  ),
  meant(bug, "400 Validation error: limit must be a number", answered("046")),
  meant(bug, "400 Validation error: instance is a required property", answered("053")),
  meant(bug, "400 Validation error: bogus is not allowed here", answered("109")),

  meant(
    "The service that is compared offers versions beside those that were recorded; field by field test/http/catalogMgmt.test.ts compares.",
    "4",
    { "125": ["versions.length"] }
  ),

  meant(unrepeated, "Validation error: instance['volume']['size'] must be a value greater than or equal to 1", {
    "056": ["badRequest.message"]
  }),
  meant(
    unrepeated,
    "Validation error: instance['name'] is too short: at least 1 character; instance['name'] does not match '^.*[0-9a-zA-Z]+.*$': it needs a letter or a digit",
    { "062": ["badRequest.message"] }
  ),
  meant(
    unrepeated,
    "Validation error: instance['nics'][0]['network_id'] does not match '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'",
    { "068": ["badRequest.message"] }
  ),
  meant(
    "The place of a field is written in one way, whatever rule it breaks.",
    "Validation error: users[0]['password'] is a required property",
    { "076": ["badRequest.message"] }
  ),
  meant(
    "Trove blames the name, which is a good one.",
    "Two or more databases share the same name in the initial databases list. Please correct the names or remove the duplicate entries.",
    { "064": ["badRequest.message"] }
  ),

  meant(
    "Trove's limit is 10 GB, too; the recorded one was configured to 100 GB, which ours cannot be.",
    "Volume 'size' cannot exceed maximum of 10 GB, 1000 cannot be accepted.",
    { "057": ["overLimit.message"] }
  ),
  meant(
    "Trove's limit is 10 GB, too; the recorded one was configured to 100 GB, which ours cannot be.",
    "413 Volume 'size' cannot exceed maximum of 10 GB, 100 cannot be accepted.",
    answered("058")
  ),

  meant("Trove sends it since June 2026; the recorded one is older.", "<number>", {
    "038": ["instance.volume.used_percent"],
    "041": ["instance.volume.used_percent"],
    "093": ["instance.volume.used_percent"],
    "114": ["instance.volume.used_percent"]
  }),
  meant("An address is known, and told, before there is a server at it.", '["<address>"]', { "030": ["instance.ip"] }),
  meant(
    "An address is known, and told, before there is a server at it.",
    '[{"address":"<address>","type":"private","network":"<uuid>"}]',
    { "030": ["instance.addresses"] }
  ),
  meant(
    "gophercloud looks for the next page here, and there alone: of a Trove it, and with it Terraform, never sees more than the first.",
    '[{"href":"http://127.0.0.1:8779/v1.0/aa4a814f964a4470bf8d456d9e67a352/instances?limit=1&marker=<uuid>","rel":"next"}]',
    { "045": ["instances_links"] }
  ),
  leftOut("To Trove a request that it has refused is a fault of the instance. To us it is none.", {
    "093": ["instance.fault"],
    "113": ["instance.fault"],
    "114": ["instance.fault"]
  }),
  leftOut(noNova, {
    "040": ["instances[].server_id"],
    "041": ["instance.server_id", "instance.server.addresses"]
  }),
  meant("The recorded Nova was a stub.", "aa4a814f964a4470bf8d456d9e67a352", {
    "040": ["instances[].server.tenant_id"],
    "041": ["instance.server.tenant_id"]
  }),
  meant("The recorded Nova was a stub.", "local", {
    "040": ["instances[].server.host"],
    "041": ["instance.server.host"]
  }),
  leftOut(noCinder, {
    "040": ["instances[].volume_id"],
    "041": [
      "instance.volume_id",
      "instance.volume.id",
      "instance.volume.attachments",
      "instance.volume.availability_zone",
      "instance.volume.created_at",
      "instance.volume.status"
    ]
  }),
  leftOut("Messages are sealed for all guests of an installation alike, or stay within one process.", {
    "040": ["instances[].encrypted_rpc_messaging"],
    "041": ["instance.encrypted_rpc_messaging"]
  }),
  meant(poorer, "200", answered("118")),
  meant(poorer, "404 User nosuch@% cannot be found on the instance.", answered("077")),

  meant(unasked, "0", { "018": ["configuration-parameters.length"], "086": ["configurations.length"] }),
  meant(unasked, "422 Configuration groups are not supported for this datastore: mysql 5.7.29", answered("082")),
  meant(unasked, "Configuration groups are not supported for this datastore: mysql 5.7.29", {
    "084": ["unprocessableEntity.message"],
    "085": ["unprocessableEntity.message"]
  }),
  meant(unasked, "404 Configuration group with ID <uuid> could not be found.", answered("089", "090", "092")),
  meant(unasked, absent, {
    "093": ["instance.configuration"],
    "113": ["instance.configuration"],
    "114": ["instance.configuration"]
  }),
  meant(unrepeated, "Validation error: instance['configuration'] must be the id of a configuration group, a UUID", {
    "094": ["badRequest.message"],
    "117": ["badRequest.message"]
  }),

  ...waiting(
    "Backups",
    ["501 Backups: not implemented in Coffer yet.", answered("097", "101", "104", "108")],
    ["501 Backup strategies: not implemented in Coffer yet.", answered("106")],
    ["0", { "098": ["backups.length"], "102": ["backups.length"] }],
    ["The backup cannot be found.", { "100": ["itemNotFound.message"] }]
  ),

  ...waiting("Replication", ["501 Replication (replica_of): not implemented in Coffer yet.", answered("069")])
]
