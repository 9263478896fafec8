from tests.console.conftest import Company


def test_it(company: Company) -> None:
    from tests.console.conftest import seed

    seed(company)
    print(company.run("activate").output)
    print(company.run("sync", "run", "--all", "--no-flow", code=None).output)
    for c in [
        "status",
        "sync status",
        "sync list",
        "dead-letters groups",
        "dead-letters list",
        "trace ada@acme.io",
        "identity show bob@globex.de",
        "sync plan people",
        "check",
    ]:
        print("==", c)
        print(company.run(*c.split(), code=None).output)
    print(company.run("sync", "run", "--all", "--no-flow", code=None).output)
