"""The DashScope wire protocol, without Airflow.

A :class:`~.request.Request` describes one HTTP request and how its reply is read. Functions build them, for example in
:mod:`.task` and :mod:`.temporary_storage`. :class:`~.client.Client` and
:class:`~.client.AsyncClient` send the same requests and read the replies with the same functions.
"""
