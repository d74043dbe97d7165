from k8slearn.grading.checks import Work, check


@check("predicted", asks="You predicted what node-2 sees.")
def predicted(work: Work) -> None:
    work.chose("outcome", "connected", hint="Ask the cluster: trace from node:node-2.")


@check("answers", points=2, asks="The pod answers node-2 on its port.")
def answers(work: Work) -> None:
    pod = f"default/{work.variant['app']}"
    work.connects("node:node-2", pod, work.variant["port"], answered_by=pod, hint="Which containerPort do you declare?")


@check("quiet", asks="The pod answers on no other port.")
def quiet(work: Work) -> None:
    work.blocked("node:node-2", f"default/{work.variant['app']}", work.variant["shut"])
