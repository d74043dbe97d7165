"""Exercises and how they are graded: by data, never by running a learner's code.

In a classroom a teacher opens each notebook, runs it, and looks; most graders do the same with a machine, and
every one of them can be fooled by what the notebook runs. Here the **record** is what is handed in: the entries that
the learner typed into a cluster, and the answers. A grader replays it in an engine of its own and asks the checks.

Reading order: definition (what a folder holds) -> variant -> checks, facts (what an author writes) -> start (replay)
-> judge -> exercise (what a learner holds) -> run (a class). Everything that a learner controls is bounded in `record`
and `inputs`, read in `notebook`, and made harmless in `inert`.

`release` writes what learners get, `collect` finds what they handed in, `gradebook` remembers what was graded,
`classreport` says where the class stands.

`late` marks what came after the deadline, and `machines` grades on a cluster.

Left out: platforms that call a grader over the network (LTI).
"""
