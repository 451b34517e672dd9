"""The noise profile ``site`` in words, as the report shows it; the figures are the simulator's."""

from typing import Final

NOISE: Final = (
    (
        "RFID, a round a second",
        "each tag has its own chance of being read: 80 % of tags Beta(18, 2), 15 % "
        "Beta(6.5, 3.5), 5 % Beta(2.5, 7.5); whole shelves blocked for 300 s on average "
        "(begins with 0.001 a round, reads a tenth); the neighbouring zone read across with 0.02 "
        "a round at -12 dB; "
        "a reader out once a day for 5 min; 1 % of reads twice; RSSI sd 3 dB",
    ),
    (
        "GPS outdoors",
        "errors of two time scales (60 s, sd 2.1 m; 1,800 s, sd 1.5 m), white 0.3 m",
    ),
    (
        "GPS under a steel roof",
        "sd 10 to 15 m over 300 s, a fix 70 % of the time, one glitch a day of 100 to 700 m that "
        "reports good accuracy",
    ),
    (
        "load cell",
        "non-linearity and hysteresis 0.02 % of full scale, creep 0.02 % of the load over 10 min, "
        "zero and span drift with the temperature of the day, 0.5 kg a month of ageing, white "
        "0.1 kg, one impossible spike an hour, forklift bumps of 50 kg",
    ),
    ("temperature, humidity", "offset 0.2 C and 2 %RH, noise 0.04 C and 0.1 %RH, lag 8 s"),
    ("shock", "quiet 0.02 g, forklifts 0.3 to 1 g twenty times an hour"),
    (
        "camera",
        "two to four changes of light a day, lorries in view, offline once a week for 10 min",
    ),
    (
        "link and clock",
        "an outage of 10 min a day and one of 13 h a month, 0.5 % of envelopes twice, clocks that "
        "drift by 20 ppm and now and then boot two weeks back",
    ),
)
