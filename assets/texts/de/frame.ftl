# Was auf allen Seiten steht.

frame-skip = Zum Inhalt
frame-sign-out = Abmelden
frame-pages = Bereiche
frame-contact = Datenschutz:

month = { $number ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
 }
day = { $day }. { $month } { $year }
moment = { $day }, { $time } Uhr
