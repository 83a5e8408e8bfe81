"""Builders of test data.

``rows`` makes customers, readings and steps, and frames of them; ``files`` writes rows as a source delivers them;
``graph`` runs the asset graph on a lake. The other modules are lakes that several folders of tests use: ``small_lake``
with every oddity of consent, ``three_people`` for a withdrawal or an erasure, ``readings_lake`` for landing,
``known_lakes`` with the sample and the reference data, ``worlds`` with thousands of random small cases.
"""
