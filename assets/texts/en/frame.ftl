# What stands on all pages.

frame-skip = Skip to the content
frame-sign-out = Sign out
frame-pages = Sections
frame-contact = Data protection:

month = { $number ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
 }
day = { $day } { $month } { $year }
moment = { $day }, { $time }
