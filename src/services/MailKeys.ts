/** How the keys of commands begin in an instance's mailbox; the generation follows that they were asked for in. */

/**
 * What is to be done next with the database as a whole: a restart, a stop, a start, an upgrade or a rebuild. They share a key, so that
 * one of them is asked for in one generation. It is spelled as when there were restarts alone: an api of the release
 * before looks for just that, and would show what was accepted under another key as if nobody had asked for it.
 */
export const nextKind = "restart"
