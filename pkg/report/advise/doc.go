// Package advise explains, from the record of a run, why each part of the recovery from a fault took as long as it did: by the setting that
// governs it. It lists the changes of settings that would have made the recovery shorter, with the gain that they promise and what each of
// them trades away. It is a pure function of the record; whether a promise is kept is shown by runs with and without the change.
package advise
