"""What reaches into pyinfra."""

from pyinfra.api.connectors import get_execution_connectors


def connector_keys() -> frozenset[str]:
    """The keys that pyinfra's connectors read from a host's data, such as `ssh_user`.

    pyinfra lists them nowhere else. If a connector declares them otherwise, its keys are refused as unknown.
    """
    declared = (
        key for connector in get_execution_connectors().values() for key in connector.data_cls.__annotations__
    )
    # The inventory connectors @dockerssh and @podmanssh set the last two, and declare them nowhere.
    return frozenset((*declared, "docker_image", "docker_container_id"))
