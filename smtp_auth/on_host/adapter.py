"""TO BE DELETED once plans have `Service` objects: gives them such in place of the services' names."""

from dataclasses import replace
from typing import Any

from smtp_auth.services import SERVICES


def adapted(plan: Any) -> Any:
    """A plan with `Service` objects."""
    by_name: dict[Any, Any] = {service.name: service for service in SERVICES}

    def named(service: Any) -> Any:
        return by_name.get(service, service)

    return replace(
        plan,
        files=tuple(replace(one, service=named(one.service)) for one in plan.files),
        managed=tuple((named(service), file) for service, file in plan.managed),
        reloads=tuple(replace(one, service=named(one.service)) for one in plan.reloads),
        unfinished=tuple(named(service) for service in plan.unfinished),
    )
