//! The ways not to keep to the contract.

macro_rules! flaws {
    ($($name:ident,)*) => {
        /// One way not to keep to the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw {
            None,
            $($name,)*
        }

        /// All of them.
        pub(crate) const FLAWS: &[Flaw] = &[$(Flaw::$name,)*];
    };
}

flaws! {
    OpensToSomethingElse,
    IgnoresAad,
    CutsAad,
    ForgetsEmptyAad,
    RefusesLongAad,
    RefusesOddAad,
    RefusesWithoutAad,
    OpensTamperedWraps,
    WrapsAlike,
    WrapsTooLarge,
    WrapsInClear,
    RefusesOddLengths,
    MakesTextOfBytes,
    CutsLongPlaintexts,
    OpensNothingToSomething,
    OpensOnce,
    OpensNoPeers,
    RefusesProbes,
    RefusesTheActiveNode,
    WrapsByAnother,
    NamesAnother,
    TakesAnyVersion,
    RefusesAsServer,
    StaysBrokenAfterARefusal,
    TextsOfManyLines,
    QuotesInErrors,
    ListsTwo,
    ListsWithChangingTimes,
    ListsOneTwice,
    ListsTheFirstOnly,
    ListsNewestFirst,
    ListsNoMinimum,
    ListsEqualTimes,
    ForgetsTheOld,
    WrapsWithTheNewestOnly,
    OpensBelowTheMinimum,
    RefusesBelowMinEncryption,
    DescribesAnew,
    DescribesBadly,
    DeniesThePresence,
    IsUnreachableWhenDeleted,
    MakesAKeyByPresence,
    KnowsNoReplacement,
    ManyAtOnce,
    LeavesALock,
    LeavesAProbeLock,
    HangsWhenLate,
}
