/** What Trove's agents call the work that they were told to do, as the classes of its notifications. */

const prefix = "trove.common.notification.DBaaS"

const operations = [
  "InstanceCreate",
  "InstanceReboot",
  "InstanceRestart",
  "InstanceResizeVolume",
  "InstanceResizeInstance",
  "InstancePromote",
  "InstanceEject",
  "InstanceDelete",
  "InstanceResetStatus",
  "InstanceDetach",
  "InstanceAttachConfiguration",
  "InstanceDetachConfiguration",
  "InstanceUpgrade",
  "InstanceMigrate",
  "BackupCreate",
  "BackupDelete",
  "DatabaseCreate",
  "DatabaseDelete",
  "UserCreate",
  "UserDelete",
  "UserUpdateAttributes",
  "UserGrant",
  "UserRevoke",
  "UserChangePassword",
  "ConfigurationCreate",
  "ConfigurationDelete",
  "ConfigurationUpdate",
  "ConfigurationEdit"
] as const
/** Of a guest's own words there are as many as it likes: what is not known is `Other`. */
export type GuestOperation = (typeof operations)[number] | "Other"

export const classOf = (operation: GuestOperation): string => `${prefix}${operation}`

export const operationOf = (classname: string | null | undefined): GuestOperation =>
  operations.find((operation) => classOf(operation) === classname) ?? "Other"

/** "instance create", for the history. */
export const inWords = (operation: GuestOperation): string =>
  operation === "Other" ? "an operation" : operation.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()
