"""Figures that the paper prints."""

from types import MappingProxyType

#: Table 2, MNIST: percent of the factors kept → nats they carry, mean squared error
TABLE_2 = MappingProxyType(
    {
        100: (24.3, 5.6),
        20: (24.3, 5.6),
        10: (24.3, 5.6),
        7: (19.6, 13.4),
        5: (16.5, 15.0),
        4: (14.7, 18.9),
        3: (10.6, 27.6),
        2: (8.4, 31.3),
        1: (5.8, 44.4),
        0: (0.0, 71.7),
    }
)

#: Table 3, DEAP: percent of the factors kept → nats they carry, mean accuracy of four classes
TABLE_3 = MappingProxyType(
    {
        100: (53.8, 0.53),
        50: (53.5, 0.52),
        10: (38.3, 0.46),
        7: (28.0, 0.32),
        5: (22.5, 0.34),
        4: (19.6, 0.36),
        3: (13.5, 0.29),
        2: (10.2, 0.29),
        1: (7.0, 0.30),
        0: (0.0, 0.23),
    }
)
