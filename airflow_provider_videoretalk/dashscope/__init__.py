"""The DashScope wire protocol, without Airflow.

Everything the service can be asked is a :class:`~.request.Request`, built by a function of the room it belongs to
(:mod:`.task`, :mod:`.videoretalk`, :mod:`.speech`, :mod:`.upload`). :class:`~.client.Client` and
:class:`~.client.AsyncClient` send the same requests and read the replies with the same functions.
"""
